//! The closed catalogue of actions: what each is called, what kind of thing it does, and what undoes it.
//!
//! Everything that must be true of an action wherever it is used stands in one row of [`CATALOGUE`]. Parameters
//! have their own file ([`super::params`]).

use serde::{Deserialize, Serialize};

/// What an attempt that may have been sent twice does to the target (see the table in docs/GUARANTEES.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Sets a state on an immutable id; doing it twice is doing it once.
    S,
    /// The target honours our idempotency key.
    K,
    /// Detectable afterwards by a name we choose.
    D,
    /// Undetectable: a generic POST, a program.
    U,
}

/// What an action means for the person it is done to. Defaults for lateness, failure and guards follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nature {
    /// Takes access away. Never discarded, retried for ever, runs at once when late.
    Cut,
    /// Gives access (back). Held while another live run needs the cut.
    Grant,
    /// Neither.
    Plain,
    /// Loses data or leads to it. Never immediate, held on any doubt.
    Destructive,
    /// Waits for a person: no target is touched.
    Person,
}

/// The kind of system an action needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facet {
    /// Mailboxes.
    Mail,
    /// Files and shares.
    Files,
    /// Calendars and contacts.
    Calendars,
    /// The directory of people, groups and roles.
    Directory,
}

impl Facet {
    /// All facets, in the order they are shown.
    pub const ALL: [Self; 4] = [Self::Mail, Self::Files, Self::Calendars, Self::Directory];

    /// The word used in workflow files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Files => "files",
            Self::Calendars => "calendars",
            Self::Directory => "directory",
        }
    }
}

/// Where an action takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On an account of any system.
    Account,
    /// On an account of a system with this facet.
    On(Facet),
    /// On a system as a whole (a product, an inventory); no account.
    System,
    /// Nowhere outside usher: a task, an approval, a mail, a report.
    House,
}

macro_rules! catalogue {
    ($($variant:ident $name:literal $class:ident $nature:ident ($($place:tt)+) $(=> $inverse:ident)?, $what:literal;)*) => {
        /// One verb of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ActionKind { $(#[doc = $what] $variant,)* }

        impl ActionKind {
            /// Every action, in catalogue order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in workflow files, tables and logs.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }

            /// What a repeated attempt does.
            pub const fn class(self) -> Class { match self { $(Self::$variant => Class::$class,)* } }

            /// What it means for the person.
            pub const fn nature(self) -> Nature { match self { $(Self::$variant => Nature::$nature,)* } }

            /// Where it takes place.
            pub const fn place(self) -> Place { match self { $(Self::$variant => catalogue!(@place $($place)+),)* } }

            /// The action that takes it back, where there is one; only these may carry `until`.
            pub const fn inverse(self) -> Option<Self> { match self { $(Self::$variant => catalogue!(@inverse $($inverse)?),)* } }

            /// One sentence for people.
            pub const fn describe(self) -> &'static str { match self { $(Self::$variant => $what,)* } }
        }
    };
    (@inverse) => { None };
    (@inverse $i:ident) => { Some(Self::$i) };
    (@place Account) => { Place::Account };
    (@place System) => { Place::System };
    (@place House) => { Place::House };
    (@place On $f:ident) => { Place::On(Facet::$f) };
}

catalogue! {
    AccountDisable "account.disable" S Cut (Account) => AccountEnable, "Stops sign-in; data stays and mail goes on arriving.";
    AccountEnable "account.enable" S Grant (Account) => AccountDisable, "Allows sign-in again.";
    PasswordRotate "password.rotate" S Cut (Account), "Sets a new random password that nobody knows.";
    SessionsRevoke "sessions.revoke" S Cut (Account), "Ends every signed-in session.";
    AppPasswordsRevoke "app_passwords.revoke" S Cut (Account), "Deletes application passwords.";
    TokensRevoke "tokens.revoke" S Cut (Account), "Revokes OAuth grants and second factors.";
    AccessRemove "access.remove" S Cut (Account), "Removes groups, roles, teams and product rights.";
    LicenceRelease "licence.release" S Plain (Account), "Gives the account's licence back.";
    MailAutoReply "mail.auto_reply" S Plain (On Mail) => MailClearAutoReply, "Answers every sender with a message.";
    MailClearAutoReply "mail.clear_auto_reply" S Plain (On Mail), "Ends the auto-reply that usher set.";
    MailRedirect "mail.redirect" S Plain (On Mail) => MailClearRedirect, "Sends arriving mail on to somebody else.";
    MailClearRedirect "mail.clear_redirect" S Plain (On Mail), "Ends the redirect that usher set.";
    MailClearRules "mail.clear_rules" S Cut (On Mail), "Removes the person's own forwards and rules.";
    MailDelegate "mail.delegate" S Plain (On Mail) => MailUndelegate, "Lets a colleague read the mailbox.";
    MailUndelegate "mail.undelegate" S Plain (On Mail), "Ends the delegation that usher set.";
    MailTransfer "mail.transfer" D Plain (On Mail), "Copies the mailbox into a folder of a colleague's.";
    MailArchive "mail.archive" D Plain (On Mail), "Writes the mailbox into a checksummed archive.";
    FilesTransfer "files.transfer" S Plain (On Files), "Gives the person's files to a colleague.";
    FilesArchive "files.archive" D Plain (On Files), "Writes the person's files into a checksummed archive.";
    CalendarsTransfer "calendars.transfer" S Plain (On Calendars), "Gives the person's calendars to a colleague.";
    CalendarsExport "calendars.export" D Plain (On Calendars), "Exports the person's calendars.";
    ContactsExport "contacts.export" D Plain (On Calendars), "Exports the person's contacts.";
    DirectoryHide "directory.hide" S Plain (Account) => DirectoryShow, "Hides the account from address lists.";
    DirectoryShow "directory.show" S Plain (Account) => DirectoryHide, "Shows the account in address lists.";
    AccountDelete "account.delete" S Destructive (Account) => AccountRestore, "Deletes the account into its grace period.";
    AccountRestore "account.restore" S Grant (Account), "Takes the account back out of its grace period.";
    AccountPurge "account.purge" S Destructive (Account), "Deletes the account for good.";
    ProductBlock "product.block" S Cut (System) => ProductUnblock, "Blocks the management of a product for the organisation.";
    ProductUnblock "product.unblock" S Grant (System), "Unblocks the management of a product.";
    MailMaintenance "mail.maintenance" S Cut (System) => MailEndMaintenance, "Puts a mail service into maintenance: reception goes on, reading does not.";
    MailEndMaintenance "mail.end_maintenance" S Grant (System), "Ends a mail service's maintenance.";
    AccountCreate "account.create" D Grant (System), "Creates an account by the naming convention.";
    CredentialsSend "credentials.send" D Plain (Account), "Hands the credentials over: setup link, welcome mail, or sealed.";
    GroupsAdd "groups.add" S Grant (Account), "Adds the account to groups.";
    GroupsSync "groups.sync" S Plain (Account), "Makes the account's groups what the department asks for.";
    RoleSet "role.set" S Plain (Account), "Sets the account's role.";
    AliasAdd "alias.add" S Plain (On Mail) => AliasRemove, "Adds an address to the mailbox.";
    AliasRemove "alias.remove" S Plain (On Mail) => AliasAdd, "Removes an address from the mailbox.";
    QuotaSet "quota.set" S Plain (Account), "Sets the account's storage limit.";
    AccountUpdate "account.update" S Plain (Account), "Corrects names.";
    PasswordReset "password.reset" S Plain (Account), "Sets a password, or sends a link to set one.";
    AccountsSync "accounts.sync" S Plain (System), "Reads all accounts of a system into the inventory.";
    VerifyNoAccess "verify.no_access" S Plain (Account), "Reads the target back: no way in is left.";
    NotifyEmail "notify.email" D Plain (House), "Sends a mail.";
    HttpRequest "http.request" U Plain (House), "Calls a URL.";
    Exec "exec" U Plain (House), "Runs a program.";
    Task "task" S Person (House), "Something a person does.";
    Checklist "checklist" S Person (House), "Points that a person ticks.";
    Approval "approval" S Person (House), "Waits for a person's approval.";
    ReportInactiveAccounts "report.inactive_accounts" S Plain (House), "Reports accounts nobody has used.";
    ReportRoles "report.roles" S Plain (House), "Reports who has which role.";
    ReportAliases "report.aliases" S Plain (House), "Reports aliases and their use.";
    ReportAccounts "report.accounts" S Plain (House), "Reports all accounts.";
}

impl ActionKind {
    /// The action called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether it takes access away.
    pub fn is_cut(self) -> bool {
        self.nature() == Nature::Cut
    }

    /// Whether it writes an account's data into a file that is to outlast the account.
    pub const fn makes_archive(self) -> bool {
        matches!(self, Self::MailArchive | Self::FilesArchive | Self::CalendarsExport | Self::ContactsExport)
    }

    /// Whether it loses data or leads to it.
    pub fn is_destructive(self) -> bool {
        self.nature() == Nature::Destructive
    }
}

impl std::fmt::Display for ActionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for ActionKind {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ActionKind {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom(format!("unknown action `{name}`")))
    }
}
