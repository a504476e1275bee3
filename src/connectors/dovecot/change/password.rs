//! Another password, and whether a closed account stays closed with it.

use sha_crypt::{Algorithm, Params, PasswordHasher, ShaCrypt};

use crate::connectors::ActionError;
use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::account::Subject;
use crate::connectors::dovecot::managesieve::ManageSieve;
use crate::connectors::dovecot::roster::Field;
use crate::connectors::looking::in_doubt;
use crate::run::{Evidence, EvidenceKind};
use crate::secret::Secret;

/// How often the digest is taken: what makes each guess dear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounds {
    /// Of a password that somebody may have chosen, as HR's file has some: some hundredths of a second for each sign-in.
    Chosen,
    /// Of one that usher has drawn (at least 12 signs, 24 unless the configuration says otherwise): nobody guesses it, so it
    /// is as many as the C library takes by itself.
    Drawn,
}

impl Rounds {
    const fn number(self) -> u32 {
        match self {
            Self::Chosen => 50_000,
            Self::Drawn => 5_000,
        }
    }
}

/// Gives an account this password. A closed one is tried: a sign-in with the new password must be refused.
pub(super) async fn set(subject: &Subject, at: &DovecotSystem, password: &Secret) -> Result<Evidence, ActionError> {
    let hash = hash(password, Rounds::Drawn).await?;
    at.rewrite(&subject.name, Field::Password(hash)).await?;
    at.forget(&subject.name).await.map_err(in_doubt)?;
    let mut detail = "a new password was taken".to_owned();
    if subject.closed {
        detail.push_str(prove_closed(subject, at, password).await?);
    }
    // That it is this password cannot be read back.
    Ok(Evidence { kind: EvidenceKind::Acknowledged, detail })
}

/// Signs in with the new password, which nobody else knows yet: a lock that has no effect would let us in.
async fn prove_closed(subject: &Subject, at: &DovecotSystem, password: &Secret) -> Result<&'static str, ActionError> {
    let Some(server) = &at.settings.sieve else { return Ok("; whether a sign-in is refused was not tried") };
    match ManageSieve::lets_in(at, server, &subject.name, password).await {
        Ok(false) => Ok("; a sign-in with it is refused"),
        Ok(true) => Err(ActionError::fail(
            "the account is closed, and a sign-in with the new password was let in: Dovecot does not ask first who may sign in (`deny_file`, `columns.active`)",
        )),
        Err(_) => Ok("; whether a sign-in is refused could not be tried"),
    }
}

/// What is kept of it: SHA-512-crypt with a salt of its own, which every Dovecot knows.
pub(super) async fn hash(password: &Secret, rounds: Rounds) -> Result<String, ActionError> {
    let password = password.clone();
    let hashed = tokio::task::spawn_blocking(move || {
        let params = Params::new(rounds.number()).map_err(|why| why.to_string())?;
        // 12 bytes are 16 signs of salt: the C library takes no more.
        let salt: [u8; 12] = rand::random();
        let hasher = ShaCrypt::new(Algorithm::Sha512Crypt, params);
        let hash = hasher.hash_password_with_salt(password.expose().as_bytes(), &salt);
        hash.map(|hash| format!("{{SHA512-CRYPT}}{}", hash.as_str())).map_err(|why| why.to_string())
    });
    let hashed = hashed.await.unwrap_or_else(|why| Err(why.to_string()));
    hashed.map_err(|why| ActionError::retry(format!("the password could not be hashed: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_salted_and_fits_into_a_line() {
        let password = Secret::new("p:ä\"ss\r\nword");
        let (one, two) =
            (hash(&password, Rounds::Chosen).await.unwrap(), hash(&password, Rounds::Chosen).await.unwrap());
        assert_ne!(one, two);
        let parts: Vec<&str> = one.split('$').collect();
        assert_eq!((parts[0], parts[1], parts[2], parts[3].len()), ("{SHA512-CRYPT}", "6", "rounds=50000", 16));
        let drawn = hash(&password, Rounds::Drawn).await.unwrap();
        assert!(drawn.starts_with("{SHA512-CRYPT}$6$") && !drawn.contains("50000"), "{drawn}");
        assert!(!one.contains(':') && !one.contains(char::is_whitespace) && !one.contains("ss"), "{one}");
    }
}
