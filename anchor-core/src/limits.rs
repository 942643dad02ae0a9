//! Every bound, with its source and what happens when it is reached.

use std::time::Duration;

/// Publishes of one client whose outcome the store keeps, and that a client has on their way at once.
/// Beyond it: `goodbye window_full`. Source: chosen; covers 256 publishes per round trip.
pub const WINDOW: usize = 256;

/// Events of one run: a page, an `events` frame. Source: measured, pages of 64 sustain 190,000 durable messages/s.
pub const RUN_EVENTS_MAX: usize = 64;

/// Bytes of the encoded events of one run, unless a single event is larger. Source: chosen, one large socket write.
pub const RUN_BYTES_MAX: usize = 64 * 1024;

/// Body of an event, in bytes. Beyond it: refused `body_too_large`. Source: the design, chosen.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Longest frame that a server takes, in bytes. Beyond it: `goodbye too_large`. Source: the design; a `resume` of
/// 1,000 rooms with ids of 64 bytes fits four times.
pub const FRAME_IN_BYTES_MAX: usize = 512 * 1024;

/// Longest frame that a server sends, in bytes. Source: the design; 64 KiB of events as base64 in JSON fit.
pub const FRAME_OUT_BYTES_MAX: usize = 1024 * 1024;

/// Rooms that one session is subscribed to. Beyond it: `error too_many_rooms`. Source: the design, chosen.
pub const ROOMS_MAX: usize = 16_384;

/// Rooms in one `hello` or `resume`. Beyond it: `error too_many_rooms`; in a `hello`, which has no id, `goodbye
/// malformed`. Source: the design.
pub const RESUME_ROOMS_MAX: usize = 1_000;

/// Features that a `hello` may name. Beyond it: `goodbye malformed`. Source: chosen; a version knows a handful.
pub const FEATURES_MAX: usize = 64;

/// Bytes of bodies that a client has on their way unacknowledged. Beyond it: `goodbye too_many_in_flight`.
/// Source: chosen; 64 of the largest bodies.
pub const IN_FLIGHT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Events of one `history` page. More are cut to it. Source: chosen; the mission's clients ask for 50.
pub const HISTORY_EVENTS_MAX: usize = 200;

/// Bytes of events after which a `history` page takes no further run. Source: with that run, and six bytes of JSON for
/// each control character, a page stays below [`FRAME_OUT_BYTES_MAX`].
pub const HISTORY_BYTES_MAX: usize = 96 * 1024;

/// Bytes of bodies and changes in one page of `history` or `thread`, with an allowance for each event: what goes beyond it
/// goes into the next page, but for the first event. Source: six bytes of JSON for each control character, a page stays below
/// [`FRAME_OUT_BYTES_MAX`].
pub const PAGE_BYTES_MAX: usize = 160 * 1024;

/// Signs that are told of one message. The first set are. Source: chosen; more than anybody looks at.
pub const SIGNS_MAX: usize = 100;

/// Requests that read the store, open at once in one session. Beyond it: `error too_many_reads`. Source: the design.
pub const READS_OPEN_MAX: usize = 4;

/// Rooms in one answer to `rooms`. More are cut to it. Source: chosen.
pub const ROOMS_PAGE_MAX: usize = 500;

/// Users in one answer to `who`. More are only counted. Source: chosen.
pub const WHO_USERS_MAX: usize = 1_000;

/// Rooms that wait for their `subscribe` to be answered, in one session; later ones wait in line. Source: chosen.
pub const OPENS_IN_FLIGHT_MAX: usize = 64;

/// Encoded bytes that a connection holds before it waits for its socket. Source: chosen, one run and its acks.
pub const WRITE_BUFFER_BYTES: usize = 128 * 1024;

/// Bytes that all tails of a node hold together. The oldest are dropped and read from the store. Source: chosen.
pub const TAIL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a run stays in a tail, and a tail without its last reader. Later readers read the store. Source: chosen;
/// longer than a reconnect's back-off.
pub const TAIL_AGE_MAX: Duration = Duration::from_secs(60);

/// Tails that a node keeps for rooms that nobody reads any more. One more leaves at once. Source: chosen, the rooms of one
/// session; about 5 MB, without the events.
pub const TAILS_UNWATCHED_MAX: usize = ROOMS_MAX;

/// How often a node reads the heads of its tails from the store. Source: the design.
pub const HEADS_POLL: Duration = Duration::from_secs(5);

/// How long a connection may take for its `hello`. Beyond it: `goodbye hello_late`. Source: the design.
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// Silence after which either side sends a `beat`; three of them end a session (`silent`). Source: chosen; below the
/// 60 s after which common proxies drop an idle connection.
pub const HEARTBEAT: Duration = Duration::from_secs(20);

/// Heartbeats without a byte from a client after which its session ends. Source: the design.
pub const HEARTBEATS_MISSED_MAX: u32 = 3;

/// How long a session that ends may take to flush its `goodbye`. Source: chosen.
pub const GOODBYE_WITHIN: Duration = Duration::from_secs(2);

/// Bytes of a message that goes with a code. Longer ones are cut. Source: chosen; one sentence.
pub const MESSAGE_BYTES_MAX: usize = 512;

/// Title of a room, in bytes. Beyond it: refused `invalid`. Source: chosen; one line.
pub const TITLE_BYTES_MAX: usize = 128;

/// Topic of a room, in bytes. Beyond it: refused `invalid`. Source: chosen; a few lines.
pub const TOPIC_BYTES_MAX: usize = 1_024;

/// Sign of a reaction, in bytes. Beyond it: refused `invalid`. Source: chosen; the longest emoji sequences have 35.
pub const SIGN_BYTES_MAX: usize = 64;

/// Members of a room. Beyond it: refused `full`. Source: chosen.
pub const MEMBERS_MAX: u64 = 100_000;

/// Pinned messages of a room. Beyond it: refused `full`. Source: chosen; they are read with the room's settings.
pub const PINS_MAX: usize = 50;

/// Edits of one message. Beyond it: refused `full`. Source: chosen; a redaction writes the pages of all of them again.
pub const EDITS_MAX: usize = 256;

/// Signs that one user has set on one message. Beyond it: refused `full`. Source: chosen; more than anybody means.
pub const USER_SIGNS_MAX: usize = 20;

/// How often one user changes their signs on one message, after which they may only be taken back: `full`. Source: chosen; so
/// that one user alone does not reach [`AMENDMENTS_MAX`], whatever the page.
pub const SIGN_CHANGES_MAX: u64 = 60;

const _: () =
    assert!((SIGN_CHANGES_MAX + USER_SIGNS_MAX as u64) * (HISTORY_EVENTS_MAX as u64) < AMENDMENTS_MAX as u64);

/// Rooms of a user that are looked through for one that another user has joined, too, before the first may open a direct
/// room. Beyond it the two are taken to share none. Source: chosen; a few milliseconds of the writer.
pub const SHARED_ROOMS_MAX: usize = 256;

/// Users that one user blocks. Beyond it: `error full`. Source: chosen; they are read with each direct message.
pub const BLOCKED_MAX: usize = 1_000;

/// A line of a profile, in bytes. Beyond it: `error invalid`. Source: chosen; an address of a picture fits.
pub const PROFILE_TEXT_BYTES_MAX: usize = 512;

/// Members in one answer to `members`. More are cut to it. Source: chosen.
pub const MEMBERS_PAGE_MAX: usize = 500;

/// Users in one `profiles`. Beyond it: `error invalid`. Source: chosen; the authors of a page.
pub const PROFILES_MAX: usize = 200;

/// Amendments that are read for one page, beside its edits and redactions, which are all read. Where there are more, the
/// reactions in its changes are of those. Source: chosen; a few milliseconds.
pub const AMENDMENTS_MAX: usize = 20_000;

/// Rooms that are looked at for one answer to `rooms`. Beyond it the answer has fewer than asked for, and a `next`.
/// Source: chosen; a few milliseconds.
pub const ROOMS_LOOKED_AT_MAX: usize = 5_000;

/// Members that are looked at for one answer to `members`. Beyond it the answer has fewer than asked for, and a `next`.
/// Source: chosen; as for rooms.
pub const MEMBERS_LOOKED_AT_MAX: usize = 5_000;

/// Bytes of rooms in one answer to `rooms`, about. Beyond it the answer has fewer than asked for, and a `next`. Source:
/// chosen; with every character of a title written as two, far below [`FRAME_OUT_BYTES_MAX`].
pub const ROOM_LIST_BYTES_MAX: usize = 256 * 1024;

/// Signals that wait for a session. Beyond it the oldest is dropped: signals promise nothing. Source: chosen.
pub const SIGNALS_WAITING_MAX: usize = 16;

/// Body of a signal, in bytes. Beyond it: `error invalid`. Source: chosen; an offer of a call fits.
pub const SIGNAL_BYTES_MAX: usize = 4 * 1024;

/// Members of a room beyond which nobody is told who has read: `delivered` is not kept, and how many have read is asked for;
/// unless the host says otherwise. Source: chosen; a list of them is 16 KiB, and more than anybody reads.
pub const RECEIPTS_MEMBERS_MAX: usize = 256;

/// What a host may set that to, at most. Source: chosen; a list of so many with the longest ids is a third of
/// [`FRAME_OUT_BYTES_MAX`], and each watched room keeps it in memory.
pub const RECEIPTS_MEMBERS_LIMIT: usize = 1_024;

/// How often a client says how far it has come in a room, at most, and how often that is written. More often is merged.
/// Source: the design.
pub const CURSORS_EVERY: Duration = Duration::from_secs(1);

/// Rooms that one session watches. Beyond it: `error too_many_rooms`. Source: chosen; those that are on a screen.
pub const WATCHED_MAX: usize = 64;

/// Events in one `readers`. Beyond it: `error invalid`. Source: chosen; those that are on a screen.
pub const READERS_OFFSETS_MAX: usize = 50;

/// Users that are told of the presence in a room of more than [`RECEIPTS_MEMBERS_MAX`] members. The rest is counted. Source:
/// chosen.
pub const PRESENCE_SAMPLE_MAX: usize = 50;

/// How long somebody is there or gone before others are told. Source: chosen; a connection that is lost and made again.
pub const PRESENCE_SETTLES: Duration = Duration::from_secs(3);

/// Users that are told to type in a room at once. More are left out. Source: chosen; more than anybody reads.
pub const TYPING_USERS_MAX: usize = 20;

/// How long somebody types who does not say so anew. Source: the design.
pub const TYPING_EXPIRES: Duration = Duration::from_secs(5);

/// Consumers that one session takes from. Beyond it: `error full`. Source: chosen.
pub const CONSUMERS_OF_SESSION_MAX: usize = 16;

/// Positions in the `done` of one `consume`. Beyond it: `error invalid`. Source: chosen; those of an answer fit.
pub const CONSUME_DONE_MAX: usize = HISTORY_EVENTS_MAX;

/// How long a `consume` waits for something, at most. Longer is cut to it. Source: chosen; the next asks on.
pub const CONSUME_WAIT_MAX: Duration = Duration::from_secs(30);

/// Consumers or webhooks in one list. More are cut to it. Source: chosen.
pub const CONSUMERS_PAGE_MAX: usize = 100;

/// Address of a webhook, in bytes. Beyond it: `error invalid`. Source: chosen; what every server takes.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2_048;

/// Secret of a webhook, in bytes. Beyond it, as without one: `error invalid`. Source: chosen; any key fits.
pub const WEBHOOK_SECRET_BYTES_MAX: usize = 256;

/// Kinds of events that a webhook names. Beyond it: `error invalid`. Source: chosen; there are fewer.
pub const WEBHOOK_KINDS_MAX: usize = 32;

/// Letters in one `dead_letter_list`. More are cut to it. Source: chosen.
pub const DEAD_LETTERS_PAGE_MAX: usize = 100;

/// How often rooms are looked at for events that retention takes. Source: chosen.
pub const RETENTION_EVERY: Duration = Duration::from_secs(600);

/// How often at most a consumer's positions are written, unless it asks for it. Source: the design; what is lost with a
/// process is given once more.
pub const CONSUMER_FLUSH: Duration = Duration::from_secs(1);

/// How often a consumer looks whether it is still its holder's, and at least between two looks at all rooms. Source: chosen;
/// as [`HEADS_POLL`].
pub const CONSUMER_POLL: Duration = HEADS_POLL;

/// Parts that a consumer was given and has not done. Beyond it: an error, until some are done. Source: chosen; 16 MiB of runs.
pub const CONSUMER_PARTS_MAX: usize = 256;

/// Of those, parts of one room. Beyond it the room waits, and others have their turn. Source: chosen.
pub const CONSUMER_ROOM_PARTS_MAX: usize = 16;

/// Rooms with news that are noted for a consumer. Beyond it all rooms are looked at. Source: chosen; as [`ROOMS_MAX`].
pub const CONSUMER_NOTED_MAX: usize = ROOMS_MAX;

/// Rooms of which a consumer keeps its place in memory. Beyond it the places are written and forgotten. Source: chosen; as
/// [`ROOMS_MAX`].
pub const CONSUMER_PLACES_MAX: usize = ROOMS_MAX;

/// Events of no interest that a consumer passes over before that alone is worth a write. Source: chosen; sixteen pages are
/// passed over again after a crash.
pub const CONSUMER_PASSED_MAX: u64 = 1_024;

/// Events, and bytes, that a consumer which passes over some reads at a time. Source: chosen; some sixteen pages.
pub const CONSUMER_READ_EVENTS: usize = 1_024;

/// See [`CONSUMER_READ_EVENTS`].
pub const CONSUMER_READ_BYTES: usize = 256 * 1024;

/// Consumers of one user. Beyond it: `error full`. Source: chosen.
pub const CONSUMERS_OF_USER_MAX: usize = 32;

/// Rooms that are looked at to tell the lag of consumers in a list that nobody holds on this node. Beyond it there is no
/// lag told. Source: chosen; as [`ROOMS_LOOKED_AT_MAX`].
pub const CONSUMER_LAG_ROOMS_MAX: usize = ROOMS_LOOKED_AT_MAX;

/// Members of a room that a mention of the whole room is entered for in their own logs. Beyond it nobody is. Source: chosen; in
/// larger rooms everybody would be called all the time.
pub const OWN_LOG_ROOM_MAX: usize = 256;

/// Seqs that the entries of one event have. Source: chosen; enough for all whom one event concerns, and offsets up to 2^44 fit
/// into seqs.
pub const OWN_LOG_SEQS: u64 = 512;

const _: () = assert!(OWN_LOG_SEQS > OWN_LOG_ROOM_MAX as u64 + crate::event::MENTIONS_MAX as u64);

/// How long a node waits before it derives own logs again, after another took that over or the store could not be read.
/// Source: chosen; entries come so much later at most when a node leaves.
pub const OWN_LOG_RESTS: Duration = Duration::from_secs(10);

/// How long a hook may take for one publish, unless the host says otherwise. Beyond it: the hook has failed. Source: chosen;
/// a question to another service, and below what a person waits for.
pub const HOOK_WITHIN: Duration = Duration::from_secs(5);

/// Rulings of a hook on publishes of one user that a node keeps until the store has decided about them. Beyond it the oldest of
/// that user is forgotten: its publish, sent again, is asked about again. Source: chosen; four clients with a full [`WINDOW`].
pub const RULINGS_OF_USER_MAX: usize = 4 * WINDOW;

/// Bytes of all rulings that a node keeps: the body that was sent while a ruling is under way, the one that it gave afterwards,
/// and a kilobyte for each. Beyond it the oldest of the user whose rulings take most is forgotten, as above. Source: chosen;
/// 32,768 rulings without a body.
pub const RULINGS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How long a ruling is kept, from the question on. Beyond it it is forgotten, as above. Source: chosen; a telephone that is
/// without a network for a while, and no ruling of another day.
pub const RULING_AGE_MAX: Duration = Duration::from_secs(600);

/// Text of a query, in bytes. Beyond it: `error invalid`. Source: chosen; several lines.
pub const SEARCH_TEXT_BYTES_MAX: usize = 512;

/// Words of a query, where a character of a script that is written without spaces counts as one, and the users and rooms that it
/// names, too. Beyond it: `error invalid`. Source: chosen; a sentence. Each is looked up in every segment of the index.
pub const SEARCH_TERMS_MAX: usize = 64;

/// Messages in one answer to `search`. More are cut to it. Source: chosen; each is read from its room's log.
pub const SEARCH_HITS_MAX: usize = 50;

/// Hits that are looked at for one answer to `search`. Beyond it the answer has fewer than asked for, and a `next`. Source:
/// chosen; a few milliseconds of the index, and the standing in as many rooms at the worst.
pub const SEARCH_LOOKED_AT_MAX: usize = 2_000;

/// Bytes of messages that wait for the commit of the search index. Beyond it they are committed at once. Source: chosen.
pub const SEARCH_PENDING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Rooms of which the search index knows without looking how far it has them. Beyond it all are forgotten, and looked up again.
/// Source: chosen; about 10 MB.
pub const SEARCH_ROOMS_KNOWN_MAX: usize = 65_536;

/// Messages of a segment of the search index beyond which it is joined with no other; where small ones were joined, one may have
/// several times as many. Source: chosen; a redaction writes a segment anew.
pub const SEARCH_SEGMENT_DOCS_MAX: usize = 100_000;

/// Rooms of a user to which a search is narrowed that names none. Beyond it all are looked through. Source: chosen; each is
/// looked up in every segment.
pub const SEARCH_SCOPE_ROOMS_MAX: usize = 4_096;

/// Threads that search. Source: chosen; a search counts through all that matches, and is to leave processors to the rest.
pub const SEARCH_THREADS: usize = 2;

/// Searches that wait for a thread. Beyond it: `error too_many_reads`. Source: chosen; a second or two of waiting.
pub const SEARCHES_WAITING_MAX: usize = 64;

/// How long what was said waits for the next commit of the search index. Source: chosen; a commit syncs some ten files.
pub const SEARCH_COMMIT_WITHIN: Duration = Duration::from_millis(500);

/// How long words that were taken away stay in files of the search index, behind their commit, before segments are written anew.
/// Source: chosen; that of several redactions is one work.
pub const SEARCH_SETTLE_WITHIN: Duration = Duration::from_secs(5);

/// How often the search index is compared with the logs: what retention took since. Source: chosen; as [`RETENTION_EVERY`].
pub const SEARCH_WALK_EVERY: Duration = RETENTION_EVERY;

/// How long a search index that failed waits before it follows again. Source: chosen.
pub const SEARCH_RETRY: Duration = Duration::from_secs(10);

/// Users and rooms whose cursors wait to be written. Beyond it what else clients say is passed over: they say it again.
/// Source: chosen; about 10 MB.
pub const CURSORS_WAITING_MAX: usize = 65_536;

/// Users whose coming or going has not settled. Beyond it others are not told of more; nor is it kept when more users than that
/// went, of whom it is not written yet. Source: chosen; about 10 MB, the sessions of a node that all come back at once.
pub const PRESENCE_SETTLING_MAX: usize = 131_072;

/// Cursors, presence and typing of one session that wait to be looked at. Beyond it what else its client says is passed over: it
/// says it again. Source: chosen; the rooms that a session watches.
pub const NOTES_WAITING_MAX: usize = WATCHED_MAX;

/// Webhooks of a server. Beyond it: `error full`. Source: chosen; each reads the logs by itself.
pub const WEBHOOKS_MAX: usize = 64;

/// POSTs that one webhook has on their way at once, each for another room. Source: chosen; what a small receiver takes.
pub const WEBHOOK_POSTS_MAX: usize = 8;

/// How long a webhook waits after the first failure; twice as long after each further one, with jitter. Source: chosen; a
/// restart of a receiver takes as long.
pub const WEBHOOK_RETRY_FIRST: Duration = Duration::from_secs(1);

/// How long it waits at most, whatever the receiver asks for. Source: chosen.
pub const WEBHOOK_RETRY_MAX: Duration = Duration::from_secs(600);

/// How often something is sent before it is a dead letter. Source: chosen; with the times above half an hour, in which nothing
/// else of its room is sent.
pub const WEBHOOK_ATTEMPTS_MAX: u32 = 12;

/// Dead letters of a webhook. Beyond it the oldest is dropped, and counted. Source: chosen; what fits a list that a person looks
/// through.
pub const WEBHOOK_DEAD_MAX: usize = 1_000;
