//! A directory as its administrator sees it, past the connector.

use std::path::{Path, PathBuf};
use std::process::Command;

use ldap3::{Ldap, LdapConnAsync, Scope, SearchEntry};

use crate::servers::free_port;

pub const SUFFIX: &str = "dc=example,dc=org";
pub const USHER: &str = "uid=usher,ou=services,dc=example,dc=org";
pub const USHER_PASSWORD: &str = "svc-Password-1";

/// Where a server is, who administers it, and what its own attributes are called.
#[derive(Clone, Debug)]
pub struct Outside {
    pub port: u16,
    pub folder: PathBuf,
    pub root: &'static str,
    pub password: &'static str,
    /// The attribute of the immutable id.
    pub id: &'static str,
    /// The attribute that changes with every change of an entry.
    pub version: &'static str,
}

impl Outside {
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub fn password_file(&self) -> PathBuf {
        self.folder.join("password")
    }

    /// Its administrator.
    pub async fn admin(&self) -> Ldap {
        let (ldap, answer) = self.sign_in(self.root, self.password).await.expect("connects");
        assert_eq!(answer, 0);
        ldap
    }

    /// The code that a sign-in ends with.
    pub async fn answer(&self, dn: &str, password: &str) -> u32 {
        self.sign_in(dn, password).await.expect("connects").1
    }

    /// A connection, and the code that the sign-in on it ends with; `None` where nobody answers.
    pub async fn sign_in(&self, dn: &str, password: &str) -> Option<(Ldap, u32)> {
        let url = format!("ldap://127.0.0.1:{}", self.port);
        let (connection, mut ldap) = LdapConnAsync::new(&url).await.ok()?;
        ldap3::drive!(connection);
        let answer = ldap.simple_bind(dn, password).await.ok()?.rc;
        Some((ldap, answer))
    }

    /// All entries below `base` that fit, with all they have.
    pub async fn entries(&self, base: &str, filter: &str) -> Vec<SearchEntry> {
        let found = self.admin().await.search(base, Scope::Subtree, filter, vec!["*", "+"]).await.expect("a search");
        let (found, _) = found.success().expect("finds");
        found.into_iter().map(SearchEntry::construct).collect()
    }

    /// The entry with this id.
    pub async fn entry(&self, id: &str) -> Option<SearchEntry> {
        self.entries(SUFFIX, &format!("({}={})", self.id, ldap3::ldap_escape(id))).await.pop()
    }

    /// The id of the entry with this sign-in name.
    pub async fn id(&self, uid: &str) -> String {
        let found = self.entries(SUFFIX, &format!("(uid={})", ldap3::ldap_escape(uid))).await;
        found[0].attrs[self.id][0].clone()
    }

    /// Names of the groups that have this member.
    pub async fn groups_with(&self, dn: &str) -> Vec<String> {
        let found = self.entries(&format!("ou=groups,{SUFFIX}"), &format!("(member={})", ldap3::ldap_escape(dn))).await;
        let mut names: Vec<String> = found.iter().map(|group| group.attrs["cn"][0].clone()).collect();
        names.sort_unstable();
        names
    }

    /// Gives it LDIF with changes, as its administrator.
    pub fn change(&self, ldif: &str) {
        self.later(ldif)();
    }

    /// The same, when it is called.
    pub fn later(&self, ldif: &str) -> impl FnOnce() + Send + 'static {
        let at = self.folder.join(format!("change-{}.ldif", free_port()));
        std::fs::write(&at, ldif).expect("writes");
        let (url, root, password) = (format!("ldap://127.0.0.1:{}", self.port), self.root, self.password);
        move || change(&url, (root, password), &at)
    }
}

fn change(url: &str, (root, password): (&str, &str), at: &Path) {
    let output = Command::new("ldapmodify")
        .args(["-x", "-H", url, "-D", root, "-w", password, "-f"])
        .arg(at)
        .output()
        .expect("ldapmodify: install ldap-utils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A person's entry.
pub fn person(uid: &str, number: &str, given: &str, family: &str) -> String {
    format!(
        "dn: uid={uid},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {given} {family}\nsn: {family}\n\
         givenName: {given}\ndisplayName: {given} {family}\nmail: {uid}@example.org\nemployeeNumber: {number}\n\
         userPassword: first-Password-{uid}\n\n"
    )
}

/// Entries as changes.
pub fn added(entries: &str) -> String {
    entries.replace("\nobjectClass: inetOrgPerson", "\nchangetype: add\nobjectClass: inetOrgPerson")
}

/// A group as a change.
pub fn group(name: &str, members: &[&str]) -> String {
    let members: String = members.iter().map(|uid| format!("member: uid={uid},ou=people,{SUFFIX}\n")).collect();
    format!("dn: cn={name},ou=groups,{SUFFIX}\nchangetype: add\nobjectClass: groupOfNames\ncn: {name}\n{members}\n")
}
