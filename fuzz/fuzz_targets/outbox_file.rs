//! The whole file of a client's state, changed.
#![no_main]

use anchor_fuzz::home;
use anchor_transport::fuzzing::outbox_file;

// redb panics on some damage and the client makes an error of it: a panic that was caught is no finding, and the hook of
// libFuzzer's crate would end the process at once. One that is not caught ends it all the same.
libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|_| {})),
    |input: &[u8]| {
        let outcome = std::panic::catch_unwind(|| outbox_file(home(), input));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            eprintln!("panicked: {}", text.unwrap_or("(no text)"));
            std::process::abort();
        }
    }
);
