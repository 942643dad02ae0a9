//! What shows a receiver that a POST is ours and fresh: HMAC-SHA256, by the convention of [Standard Webhooks].
//!
//! `webhook-signature: v1,BASE64` is the HMAC over `webhook-id`, `.`, `webhook-timestamp`, `.` and the body, byte for byte.
//!
//! [Standard Webhooks]: https://www.standardwebhooks.com

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

/// What sender and receiver of a webhook share: 24 to 64 bytes, as text `whsec_` and their base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Its text: whoever knows it can sign.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// The value of `webhook-signature` for a message.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
    }
}

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| InvalidSecret)?;
        match bytes.len() {
            24..=64 => Ok(Self(bytes)),
            _ => Err(InvalidSecret),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Not a secret. Says nothing of what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a secret is whsec_ and the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

/// Source: Standard Webhooks.
const PREFIX: &str = "whsec_";

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: the example in the specification's reference libraries.
    #[test]
    fn signs_as_the_reference_libraries_do() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().expect("a secret");
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret.reveal(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn tells_its_bytes_to_nobody() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().expect("a secret");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        for text in [
            "",
            "whsec_",
            "whsec_MfKQ",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La*aSw",
        ] {
            assert_eq!(text.parse::<Secret>(), Err(InvalidSecret));
        }
    }
}
