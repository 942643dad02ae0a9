//! What others see of a user, as people and programs read it.

use anchor_core::id::UserId;
use anchor_core::user::{Profile, ProfileText};
use serde_json::{Value, json};

use crate::escape;

/// All of it.
pub(crate) fn json(user: &UserId, profile: &Profile) -> Value {
    let text = |text: &Option<ProfileText>| text.as_ref().map(ToString::to_string);
    let Profile { name, avatar, status } = profile;
    json!({ "user": user.as_str(), "name": text(name), "avatar": text(avatar), "status": text(status) })
}

/// `ada [Ada Lovelace] [https://example.org/ada.png]: back at noon`
pub(crate) fn line(user: &UserId, profile: &Profile) -> String {
    let Profile { name, avatar, status } = profile;
    let mut line = escape::name(user.as_str()).to_string();
    for text in [name, avatar].into_iter().flatten() {
        line += &format!(" [{}]", escape::line(text.as_str()));
    }
    status.as_ref().map_or(line.clone(), |status| format!("{line}: {}", escape::line(status.as_str())))
}
