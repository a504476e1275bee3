//! `kind = "ldap"`: what a directory is and how usher gets in.

use std::path::PathBuf;
use std::time::Duration;

use super::account::ADMINISTRATORS;
pub use crate::outbound::Security;
use crate::run::Governing;
use crate::secret::SecretRef;

/// Which kind of server a directory is. What the servers do differently follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// OpenLDAP with the overlay `ppolicy` (draft-behera-ldap-password-policy): accounts are locked by
    /// `pwdAccountLockedTime`.
    OpenLdap,
    /// Active Directory, and Samba's: accounts are disabled by a bit of `userAccountControl`.
    ActiveDirectory,
    /// 389 Directory Server, and what is made of it: accounts are locked by `nsAccountLock`.
    Ds389,
    /// Accounts of UNIX machines on any server that has `entryUUID` (RFC 2307): they expire by `shadowExpire`. The directory
    /// itself goes on letting them in.
    Posix,
    /// lldap: people and groups to be read, and passwords to be changed; everything else only on its own pages. It has no lock.
    Lldap,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::OpenLdap, Self::ActiveDirectory, Self::Ds389, Self::Posix, Self::Lldap];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenLdap => "openldap",
            Self::ActiveDirectory => "active_directory",
            Self::Ds389 => "389ds",
            Self::Posix => "posix",
            Self::Lldap => "lldap",
        }
    }

    /// Which entries are accounts, where the configuration says nothing.
    pub const fn filter(self) -> &'static str {
        match self {
            Self::OpenLdap | Self::Ds389 | Self::Lldap => "(objectClass=inetOrgPerson)",
            Self::Posix => "(objectClass=posixAccount)",
            // Neither computers, nor the contacts of the address book.
            Self::ActiveDirectory => "(&(objectCategory=person)(objectClass=user))",
        }
    }

    /// The attribute that people sign in with.
    pub const fn login(self) -> &'static str {
        match self {
            Self::OpenLdap | Self::Ds389 | Self::Posix | Self::Lldap => "uid",
            Self::ActiveDirectory => "sAMAccountName",
        }
    }

    /// The attribute that never changes and never comes again (RFC 4530; MS-ADTS 3.1.1.1.4). Of 389 Directory Server it is
    /// its own one: `entryUUID` is an extra there, which entries from before may lack.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::OpenLdap | Self::Posix | Self::Lldap => "entryUUID",
            Self::Ds389 => "nsUniqueId",
            Self::ActiveDirectory => "objectGUID",
        }
    }

    /// Whether groups follow an entry that is moved or removed, whatever is configured there (MS-ADTS 3.1.1.1.6).
    pub(super) const fn keeps_references(self) -> bool {
        match self {
            Self::ActiveDirectory | Self::Lldap => true,
            Self::OpenLdap | Self::Ds389 | Self::Posix => false,
        }
    }

    /// Whether a list is answered page by page (RFC 2696). lldap answers it whole, whatever page is asked for.
    pub(super) const fn has_pages(self) -> bool {
        match self {
            Self::OpenLdap | Self::ActiveDirectory | Self::Ds389 | Self::Posix => true,
            Self::Lldap => false,
        }
    }

    /// Which entries are groups.
    pub(super) const fn groups(self) -> &'static str {
        match self {
            Self::OpenLdap | Self::Ds389 | Self::Posix | Self::Lldap => {
                "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))"
            }
            Self::ActiveDirectory => "(objectClass=group)",
        }
    }
}

/// What hides an account from address lists: an attribute that has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The attribute.
    pub attribute: String,
    /// Its value in hidden accounts.
    pub value: String,
}

/// A directory's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapSettings {
    /// Which kind of server it is.
    pub profile: Profile,
    /// `ldaps://HOST[:PORT]` or `ldap://HOST[:PORT]`.
    pub url: String,
    /// How the connection is secured.
    pub security: Security,
    /// An authority to trust besides the machine's.
    pub ca: Option<PathBuf>,
    /// Whom usher signs in as.
    pub user: String,
    /// Where that user's password is kept.
    pub password: SecretRef,
    /// What everything usher looks at is below.
    pub base: String,
    /// What accounts are below; new ones are made right in it.
    pub people: String,
    /// What groups are below.
    pub groups: String,
    /// Where deleted accounts wait for their purge.
    pub deleted: Option<String>,
    /// Which entries are accounts.
    pub filter: String,
    /// The attribute that people sign in with.
    pub login: String,
    /// The attribute that holds the employee number.
    pub employee_number: String,
    /// What hides an account from address lists; nothing does by default.
    pub hidden: Option<Mark>,
    /// The password policy of accounts that name none (`openldap`).
    pub policy: Option<String>,
    /// The group of those who administer the directory; `active_directory` and `lldap` know their own.
    pub administrators: Option<String>,
    /// Who takes the last member's place in a group that may not be empty.
    pub placeholder: Option<String>,
    /// The domain of new sign-in names (`active_directory`).
    pub domain: String,
    /// Accounts on one page.
    pub page: i32,
    /// How long one answer may take.
    pub timeout: Duration,
}

impl LdapSettings {
    /// Accounts on one page. OpenLDAP's usual limit, and below Active Directory's.
    pub const PAGE: i32 = 500;

    /// The most accounts of a directory that answers all at once.
    pub(super) const WHOLE: i32 = 50_000;

    /// How long one answer may take.
    pub const TIMEOUT: Duration = Duration::from_secs(15);

    /// Whom the directory must not lose the last of; nobody where nothing says who administers it.
    pub fn governing(&self) -> Vec<Governing> {
        let known = self.administrators.is_some() || self.profile == Profile::ActiveDirectory;
        if known { vec![ADMINISTRATORS] } else { Vec::new() }
    }
}
