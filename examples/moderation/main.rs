//! A host that decides what is said: one hook that refuses some words, takes the edge off others, and knows who is banned.

#![expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anchor::code::Code;
use anchor::core::memory::MemoryStore;
use anchor::engine::{Hook, HookFailure, Proposal, Ruling};
use anchor::store::StoreExt;
use anchor::{Anchor, Body, ClientId, PublishError, Publisher, RoomId, System, UserId, async_trait};

type Failure = Box<dyn Error + Send + Sync>;

/// Refuses a message with one of these.
const BLOCKED: [&str; 2] = ["darn", "drat"];

/// Says these more kindly: what is sent, what is appended.
const SOFTENED: [(&str, &str); 2] = [("heck", "h*ck"), ("rubbish", "not to my taste")];

/// The moderator. Clones share, so that the program can ban somebody while it is at work.
#[derive(Clone, Debug, Default)]
struct Moderator {
    banned: Arc<Mutex<BTreeSet<UserId>>>,
}

impl Moderator {
    fn ban(&self, user: UserId) {
        self.banned.lock().unwrap_or_else(PoisonError::into_inner).insert(user);
    }

    fn is_banned(&self, user: &UserId) -> bool {
        self.banned.lock().unwrap_or_else(PoisonError::into_inner).contains(user)
    }
}

#[async_trait]
impl Hook for Moderator {
    // Whatever takes time here, a question to another service say, delays this client's later publishes and nobody else's.
    async fn rule(&self, proposal: Proposal<'_>) -> Result<Ruling, Failure> {
        if self.is_banned(proposal.user) {
            return Ok(Ruling::Refuse(
                "you are banned; write to us if you think that is a mistake".to_owned(),
            ));
        }
        // Anything but text is a picture, a reaction, a change of the room: not this moderator's business.
        let Some(text) = proposal.draft.body.as_text() else { return Ok(Ruling::Allow) };
        if let Some(word) = BLOCKED.into_iter().find(|word| text.contains(word)) {
            return Ok(Ruling::Refuse(format!("\"{word}\" is not said here")));
        }
        let softened =
            SOFTENED.iter().fold(text.to_owned(), |text, (said, kinder)| text.replace(said, kinder));
        if softened == text {
            return Ok(Ruling::Allow);
        }
        // A body is given whole: whom the message mentions is a part of it.
        let mentions = proposal.draft.body.mentions().cloned().unwrap_or_default();
        Ok(Ruling::Change(Body::text(softened).mentioning(mentions)))
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let moderator = Moderator::default();
    let store = MemoryStore::new(System);
    let anchor = Anchor::builder(store.clone(), System)
        .hook(moderator.clone())
        .hook_within(Duration::from_secs(2))
        .hook_failure(HookFailure::Refuse)
        .build();

    let lobby = RoomId::lobby();
    let mut ada = anchor.client(UserId::new("ada")?, ClientId::random(&System)).await?;
    for text in ["hello", "what the heck", "darn it", "this is rubbish"] {
        say(&mut ada, &lobby, text).await?;
    }
    moderator.ban(UserId::new("ada")?);
    say(&mut ada, &lobby, "and another thing").await?;

    println!("the room:");
    for event in store.read_all(&lobby).await? {
        let text = event.body.as_ref().and_then(|body| body.as_text()).unwrap_or("(no text)");
        println!("{:>4}  {}: {text}", event.offset.0, event.user);
    }
    Ok(())
}

async fn say(who: &mut Publisher, room: &RoomId, text: &str) -> Result<(), PublishError> {
    match who.publish(room, text).await {
        Ok(ack) => println!("{text:?}: stands at offset {}", ack.mark.offset),
        Err(PublishError::Refused(refusal)) if refusal.code == Code::Moderated => {
            println!("{text:?}: refused, {}", refusal.message);
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
