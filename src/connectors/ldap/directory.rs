//! What is asked of a directory: bounded looks, and changes of one entry that is still the one it was.

use std::collections::HashSet;

use ldap3::controls::{Assertion, MakeCritical, RawControl};
use ldap3::exop::PasswordModify;
use ldap3::{Ldap, LdapError, LdapResult, Mod, Scope, SearchOptions};

use super::connection::{Connection, Door};
use super::entry::{self, Entry};
use super::error::{self, Effect};
use super::name;
use super::settings::Profile;
use crate::connectors::ActionError;
use crate::secret::Secret;

/// A change of one attribute. Passwords and ids are bytes, so all values are.
pub(super) type Change = Mod<Vec<u8>>;

/// What a new entry is to hold.
pub(super) type Attributes = Vec<(Vec<u8>, HashSet<Vec<u8>>)>;

/// The attribute has these values and no others; none at all removes it.
pub(super) fn replace(attribute: &str, values: &[&str]) -> Change {
    Mod::Replace(attribute.into(), values.iter().map(|value| value.as_bytes().to_vec()).collect())
}

/// One value more.
pub(super) fn add(attribute: &str, value: &str) -> Change {
    Mod::Add(attribute.into(), HashSet::from([value.into()]))
}

/// One value less.
pub(super) fn delete(attribute: &str, value: &str) -> Change {
    Mod::Delete(attribute.into(), HashSet::from([value.into()]))
}

/// What an operation is about: an entry by its name, and its id, so that a name that somebody else has meanwhile is not
/// taken for it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    dn: String,
    id: Option<String>,
}

impl Target {
    /// The entry with this id.
    pub(super) fn account(entry: &Entry, profile: Profile) -> Self {
        Self { dn: entry.dn.clone(), id: entry.id(profile) }
    }

    /// Whatever has this name.
    pub(super) fn named(dn: &str) -> Self {
        Self { dn: dn.to_owned(), id: None }
    }
}

/// A directory at hand.
pub(super) struct Directory<'a> {
    door: &'a Door,
    profile: Profile,
    connection: Connection,
}

impl<'a> Directory<'a> {
    pub(super) async fn enter(door: &'a Door, profile: Profile) -> Result<Self, ActionError> {
        Ok(Self { door, profile, connection: door.shared().await? })
    }

    fn ldap(&self) -> Ldap {
        let mut ldap = self.connection.ldap.clone();
        ldap.with_timeout(self.door.timeout());
        ldap
    }

    async fn refused(&self, result: &LdapResult, effect: Effect) -> ActionError {
        if error::needs_another_connection(result.rc) {
            self.door.forget().await;
        }
        error::of_result(self.door.host(), result, effect)
    }

    async fn cut(&self, why: &LdapError, effect: Effect) -> ActionError {
        self.door.forget().await;
        error::of_cut(self.door.host(), why, effect)
    }

    /// Up to `most` entries below `base`. That there are more is no error.
    pub(super) async fn find(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[String],
        most: i32,
    ) -> Result<Vec<Entry>, ActionError> {
        let (found, result) = self.search(base, scope, filter, attributes, most).await?;
        let full = result.rc == error::SIZE_LIMIT && i32::try_from(found.len()) == Ok(most);
        if result.rc == error::SUCCESS || full {
            return Ok(found);
        }
        Err(self.refused(&result, Effect::Looks).await)
    }

    /// The entry called `dn`, if there is one.
    pub(super) async fn named(&self, dn: &str, attributes: &[String]) -> Result<Option<Entry>, ActionError> {
        let (found, result) = self.search(dn, Scope::Base, "(objectClass=*)", attributes, 1).await?;
        match result.rc {
            error::SUCCESS => Ok(found.into_iter().next()),
            error::NO_SUCH_OBJECT => Ok(None),
            _ => Err(self.refused(&result, Effect::Looks).await),
        }
    }

    async fn search(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[String],
        most: i32,
    ) -> Result<(Vec<Entry>, LdapResult), ActionError> {
        let mut ldap = self.ldap();
        ldap.with_search_options(SearchOptions::new().sizelimit(most));
        match read_all(ldap, base, scope, filter, attributes, most).await {
            Ok(answer) => Ok(answer),
            Err(Unread::Cut(why)) => Err(self.cut(&why, Effect::Looks).await),
            Err(Unread::Odd(why)) => Err(why),
        }
    }

    /// Changes an entry. The answer is a success, or has one of the codes that the caller knows what to make of.
    pub(super) async fn modify(
        &self,
        target: &Target,
        changes: Vec<Change>,
        known: &[u32],
    ) -> Result<LdapResult, ActionError> {
        let answer = self.asserting(target)?.modify(&self.name(target), changes).await;
        self.answered(answer, known).await
    }

    /// Another name, or another place.
    pub(super) async fn rename(&self, target: &Target, first: &str, parent: &str) -> Result<LdapResult, ActionError> {
        // Active Directory refuses to keep the old name beside the new one.
        let answer = self.asserting(target)?.modifydn(&self.name(target), first, true, Some(parent)).await;
        self.answered(answer, &[error::ENTRY_EXISTS]).await
    }

    /// The entry is gone for good.
    pub(super) async fn remove(&self, target: &Target) -> Result<LdapResult, ActionError> {
        let answer = self.asserting(target)?.delete(&self.name(target)).await;
        self.answered(answer, &[error::NO_SUCH_OBJECT]).await
    }

    /// A new entry.
    pub(super) async fn insert(&self, dn: &str, attributes: Attributes) -> Result<LdapResult, ActionError> {
        let answer = self.ldap().add(dn, attributes).await;
        self.answered(answer, &[error::ENTRY_EXISTS]).await
    }

    /// Another password (RFC 3062): the server hashes it as its policy says.
    pub(super) async fn set_password(&self, dn: &str, password: &Secret) -> Result<(), ActionError> {
        let request = PasswordModify { user_id: Some(dn), old_pass: None, new_pass: Some(password.expose()) };
        let answer = self.ldap().extended(request).await.map(|answer| answer.1);
        self.answered(answer, &[]).await.map(drop)
    }

    /// What the server says to somebody else's sign-in, on a connection of its own.
    pub(super) async fn answer_to(&self, dn: &str, password: &Secret) -> Result<LdapResult, ActionError> {
        self.door.answer_to(dn, password).await
    }

    /// By its id where the server lets an entry be called so: it cannot be another one (MS-ADTS 3.1.1.3.1.2.4).
    fn name(&self, target: &Target) -> String {
        match &target.id {
            Some(id) if self.profile == Profile::ActiveDirectory => format!("<GUID={id}>"),
            _ => target.dn.clone(),
        }
    }

    /// Elsewhere the change carries the condition that the name is still that of the entry (RFC 4528), where the server takes
    /// one: 389 Directory Server does not.
    fn asserting(&self, target: &Target) -> Result<Ldap, ActionError> {
        let mut ldap = self.ldap();
        let asserts = self.connection.asserts && self.profile != Profile::ActiveDirectory;
        if let Some(id) = target.id.as_ref().filter(|_| asserts) {
            // The library panics on a filter that is none.
            let no_id = || ActionError::fail(format!("`{id}` is no id of an entry"));
            entry::id_bytes(self.profile, id).ok_or_else(no_id)?;
            let filter = name::equals(self.profile.id(), id);
            let control: RawControl = Assertion { filter }.critical().into();
            ldap.with_controls(control);
        }
        Ok(ldap)
    }

    async fn answered(&self, answer: Result<LdapResult, LdapError>, known: &[u32]) -> Result<LdapResult, ActionError> {
        match answer {
            Ok(result) if result.rc == error::SUCCESS || known.contains(&result.rc) => Ok(result),
            Ok(result) => Err(self.refused(&result, Effect::Changes).await),
            Err(why) => Err(self.cut(&why, Effect::Changes).await),
        }
    }
}

/// What a server says that does count.
fn too_much() -> LdapResult {
    let text = "more than was asked for".to_owned();
    LdapResult { rc: error::SIZE_LIMIT, matched: String::new(), text, refs: Vec::new(), ctrls: Vec::new() }
}

/// Why the answer to a search could not be read.
pub(super) enum Unread {
    /// The connection was lost.
    Cut(LdapError),
    /// It is not what was asked for.
    Odd(ActionError),
}

/// The entries of one search, at most `most`. References to other servers are left
/// out.
pub(super) async fn read_all(
    mut ldap: Ldap,
    base: &str,
    scope: Scope,
    filter: &str,
    attributes: &[String],
    most: i32,
) -> Result<(Vec<Entry>, LdapResult), Unread> {
    let mut stream = ldap.streaming_search(base, scope, filter, attributes).await.map_err(Unread::Cut)?;
    let mut found = Vec::new();
    while let Some(entry) = stream.next().await.map_err(Unread::Cut)? {
        if entry.is_ref() || entry.is_intermediate() {
            continue;
        }
        found.push(Entry::read(entry).map_err(Unread::Odd)?);
        // Samba does not count: what is more than was asked for is not read.
        if i32::try_from(found.len()).is_ok_and(|count| count > most) {
            found.pop();
            let number = stream.ldap_handle().last_id();
            stream.finish().await;
            ldap.abandon(number).await.map_err(Unread::Cut)?;
            return Ok((found, too_much()));
        }
    }
    Ok((found, stream.finish().await))
}
