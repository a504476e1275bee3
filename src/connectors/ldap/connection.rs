//! Getting in: TLS, the sign-in, and one connection that all attempts share. LDAP answers many requests on one connection
//! at once (RFC 4511, 3.1).

use std::sync::Arc;
use std::time::Duration;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapResult};
use tokio::sync::Mutex;

use super::error::{self, Effect};
use super::settings::{LdapSettings, Security};
use crate::connectors::ActionError;
use crate::outbound::Trust;
use crate::secret::Secret;
use crate::store::{self, Store};

/// A connection that is signed in.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) ldap: Ldap,
    /// Whether the server takes an assertion with a change (RFC 4528).
    pub(super) asserts: bool,
}

/// How a directory is reached, and the connection that is open.
pub(super) struct Door {
    settings: Arc<LdapSettings>,
    store: Option<Store>,
    trust: Trust,
    shared: Mutex<Option<Connection>>,
}

impl Door {
    pub(super) fn new(settings: Arc<LdapSettings>) -> Self {
        Self { settings, store: None, trust: Trust::default(), shared: Mutex::default() }
    }

    /// Reads a password that is kept in the store from there.
    pub(super) fn with_store(self, store: Store) -> Self {
        Self { store: Some(store), ..self }
    }

    /// How messages call the server.
    pub(super) fn host(&self) -> &str {
        &self.settings.url
    }

    pub(super) fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// The connection that all attempts share; opened anew where it is closed.
    pub(super) async fn shared(&self) -> Result<Connection, ActionError> {
        let mut shared = self.shared.lock().await;
        if let Some(mut open) = shared.clone()
            && !open.ldap.is_closed()
        {
            return Ok(open);
        }
        let connection = self.open().await?;
        *shared = Some(connection.clone());
        Ok(connection)
    }

    /// What was cut is not used again.
    pub(super) async fn forget(&self) {
        *self.shared.lock().await = None;
    }

    /// A connection of one's own, signed in. Nothing that fails here has had an effect.
    pub(super) async fn open(&self) -> Result<Connection, ActionError> {
        let LdapSettings { user, password, .. } = &*self.settings;
        let password = store::resolve(self.store.as_ref(), password).await;
        let password = password.map_err(|why| ActionError::retry(format!("the password of {user}: {why}")))?;
        let mut ldap = self.connect().await?;
        let answer = self.bind(&mut ldap, user, &password).await?;
        if answer.rc != error::SUCCESS {
            let said = error::words(&answer);
            return Err(ActionError::retry(format!("{} refuses the sign-in of {user}: {said}", self.host())));
        }
        let asserts = self.asserts(&mut ldap).await?;
        Ok(Connection { ldap, asserts })
    }

    /// What the server says to a sign-in, on a connection that is closed at once.
    pub(super) async fn answer_to(&self, user: &str, password: &Secret) -> Result<LdapResult, ActionError> {
        let mut ldap = self.connect().await?;
        let answer = self.bind(&mut ldap, user, password).await;
        ldap.unbind().await.ok();
        answer
    }

    async fn bind(&self, ldap: &mut Ldap, user: &str, password: &Secret) -> Result<LdapResult, ActionError> {
        // An empty password is a sign-in as nobody, which servers grant (RFC 4513, 5.1.2).
        if user.is_empty() || password.expose().is_empty() {
            return Err(ActionError::fail("a sign-in needs a name and a password"));
        }
        let answer = ldap.with_timeout(self.timeout()).simple_bind(user, password.expose()).await;
        answer.map_err(|why| error::of_cut(self.host(), &why, Effect::Looks))
    }

    async fn connect(&self) -> Result<Ldap, ActionError> {
        let settings = LdapConnSettings::new()
            .set_conn_timeout(self.timeout())
            .set_starttls(self.settings.security == Security::StartTls);
        let settings = match self.settings.security {
            Security::None => settings,
            Security::Tls | Security::StartTls => {
                settings.set_config(self.trust.of(self.settings.ca.as_deref()).map_err(ActionError::retry)?)
            }
        };
        let refused = |why| ActionError::retry(format!("{} cannot be reached: {why}", self.host()));
        let (connection, ldap) = LdapConnAsync::with_settings(settings, self.host()).await.map_err(refused)?;
        let host = self.host().to_owned();
        tokio::spawn(async move {
            // Whoever waits for an answer is told by that; this is for whoever looks for the reason.
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, host, "the connection to a directory was lost");
            }
        });
        Ok(ldap)
    }

    /// Reads the root entry (RFC 4512, 5.1).
    async fn asserts(&self, ldap: &mut Ldap) -> Result<bool, ActionError> {
        let found = ldap
            .with_timeout(self.timeout())
            .search("", ldap3::Scope::Base, "(objectClass=*)", vec!["supportedControl"])
            .await
            .map_err(|why| error::of_cut(self.host(), &why, Effect::Looks))?;
        let entries = found.0.into_iter().filter_map(|entry| super::entry::Entry::read(entry).ok());
        Ok(entries.flat_map(|entry| entry.texts("supportedControl")).any(|control| control == ASSERTION))
    }
}

/// The assertion control (RFC 4528).
const ASSERTION: &str = "1.3.6.1.1.12";

impl std::fmt::Debug for Door {
    /// By name: what is inside has signed in.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("host", &self.host()).finish_non_exhaustive()
    }
}
