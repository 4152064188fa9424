//! `Authorization: Basic`, as clients send a password (RFC 7617).

use base64::{Engine, engine::general_purpose::STANDARD};

/// Returns the password of the value of `Authorization`, if it has one. The name before it counts for nothing.
#[must_use]
pub fn password(value: &str) -> Option<String> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':')
        .map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn the_password_is_behind_the_name() {
        assert_eq!(
            password("Basic OnBhc3M6d29yZA==").as_deref(),
            Some("pass:word")
        );
        assert_eq!(password("basic  eDpvcGVu").as_deref(), Some("open"));
        for wrong in ["", "Basic", "Basic !", "Bearer OnBhc3M=", "Basic eA=="] {
            assert_eq!(password(wrong), None, "{wrong}");
        }
    }
}
