//! The secrets that a declared system may use, by the names that the configuration gives them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::connectors::ActionError;
use crate::secret::{Secret, SecretRef};
use crate::store::{self, Store};

/// References to secrets, and the store that keeps some of them.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    references: BTreeMap<String, SecretRef>,
    store: Option<Store>,
}

impl Vault {
    /// These references.
    pub fn new(references: BTreeMap<String, SecretRef>) -> Self {
        Self { references, store: None }
    }

    /// The same, asking this store for those that it keeps.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { store: Some(store), ..self }
    }

    /// Reads them all, anew each time: one that was changed counts from the next request on.
    ///
    /// # Errors
    /// When one cannot be had: nothing has been sent then.
    pub(in crate::connectors) async fn open(&self) -> Result<Opened, ActionError> {
        let mut secrets = BTreeMap::new();
        for (name, reference) in &self.references {
            let secret = store::resolve(self.store.as_ref(), reference).await;
            let secret = secret.map_err(|why| ActionError::retry(format!("the secret `{name}`: {why}")))?;
            secrets.insert(name.clone(), secret);
        }
        Ok(Opened { secrets, password: None })
    }
}

/// Secrets in hand, for one request.
#[derive(Debug, Default)]
pub(in crate::connectors) struct Opened {
    secrets: BTreeMap<String, Secret>,
    password: Option<Secret>,
}

impl Opened {
    /// With the password that an account is to get.
    pub(in crate::connectors) fn with_password(self, password: Option<&Secret>) -> Self {
        Self { password: password.cloned(), ..self }
    }

    /// What templates of headers and bodies may use besides: `secrets.NAME` and `password`.
    pub(in crate::connectors) fn reveal(&self, facts: &mut Map<String, Value>) {
        let secrets = self.secrets.iter().map(|(name, secret)| (name.clone(), Value::from(secret.expose())));
        facts.insert("secrets".to_owned(), Value::Object(secrets.collect()));
        if let Some(password) = &self.password {
            facts.insert("password".to_owned(), Value::from(password.expose()));
        }
    }

    /// The secret called `name`.
    pub(in crate::connectors) fn named(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }

    /// The same words without any of these secrets: a target may repeat what it was sent.
    pub(in crate::connectors) fn hide(&self, words: &str) -> String {
        let mut words = words.to_owned();
        for secret in self.secrets.values().chain(&self.password) {
            let plain = secret.expose();
            let escaped = Value::from(plain).to_string();
            for form in [plain, escaped.trim_matches('"')].into_iter().filter(|form| !form.is_empty()) {
                words = words.replace(form, "[secret]");
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_repeats_is_hidden() {
        let secrets = BTreeMap::from([("token".to_owned(), Secret::new("t0k\"en"))]);
        let opened = Opened { secrets, password: None }.with_password(Some(&Secret::new("Winter-7")));
        let words = opened.hide(r#"{"got": "Bearer t0k\"en", "password": "Winter-7"} t0k"en"#);
        assert_eq!(words, r#"{"got": "Bearer [secret]", "password": "[secret]"} [secret]"#);
        assert!(!format!("{opened:?}").contains("Winter"));
    }
}
