//! The parameters of every action that takes any.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FieldSpec;
use super::values::{Items, Length, Quota, Recipient, Recipients};
use crate::workflow::span::{FixedSpan, Span};

/// Declares parameter structures. Fields are `needs` (required), `may` (optional) or `has` (with a default).
macro_rules! shapes {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $mode:ident $field:ident: $type:ty,)* })*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_meta])* pub $field: shapes!(@type $mode $type),)* }

        impl $name {
            /// Its fields, for checks.
            pub const FIELDS: &'static [FieldSpec] = &[$(FieldSpec {
                name: stringify!($field),
                required: shapes!(@required $mode),
                accepts: |value| serde_json::from_value::<$type>(value.clone()).map(drop).map_err(|e| e.to_string()),
            },)*];
        }
    )* };
    (@type may $type:ty) => { Option<$type> };
    (@type $mode:ident $type:ty) => { $type };
    (@required needs) => { true };
    (@required $mode:ident) => { false };
}

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$word_meta:meta])* $word:ident,)* })*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$word_meta])* $word,)* }
    )* };
}

words! {
    /// What becomes of what an approval gates when the approval has lapsed, or nobody has answered in time.
    OnLapse {
        /// It is held, administrators are told, and the approval is asked for again.
        Hold,
        /// It waits behind the approval as at first, which is asked for again.
        AskAgain,
        /// It is left out for good.
        Skip,
    }
    /// Why an account is disabled.
    DisableReason {
        /// Away, coming back.
        Leave,
        /// Leaving the company.
        Departure,
        /// Something is wrong with the account.
        Suspicious,
    }
    /// How a mailbox is written out.
    MailFormat {
        /// One file per folder.
        Mbox,
        /// One file per message.
        Eml,
    }
    /// How files are written out.
    FilesFormat {
        /// A zip archive.
        Zip,
        /// A compressed tar archive.
        Tar,
    }
    /// How credentials reach their owner.
    CredentialsMethod {
        /// A link to choose a password.
        SetupLink,
        /// A welcome mail.
        WelcomeMail,
        /// Sealed, for handing over by hand.
        Sealed,
    }
    /// How a password is reset.
    ResetMethod {
        /// usher sets a new one.
        Set,
        /// A link to choose one.
        Link,
    }
    /// How a report is written.
    ReportFormat {
        /// Comma-separated values.
        Csv,
        /// A spreadsheet.
        Xlsx,
        /// JSON.
        Json,
        /// A page.
        Html,
    }
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

shapes! {
    /// `account.disable`
    Disable {
        /// Why; some systems show or treat it differently. Without it, `departure`.
        #[serde(default = "departure")]
        has reason: DisableReason,
    }
    /// `mail.auto_reply`: either `template` or `message`.
    AutoReply {
        /// The subject of the answer.
        needs subject: String,
        /// The name of a mail template.
        may template: String,
        /// The answer itself.
        may message: String,
        /// Who correspondents should turn to.
        may contact: String,
        /// The language of the template (BCP 47); without it, the person's.
        may language: String,
    }
    /// `mail.redirect`
    Redirect {
        /// Who receives the mail.
        needs to: Recipient,
        /// Whether the mailbox keeps a copy; without it, `false`.
        #[serde(default)]
        has keep_copy: bool,
        /// Why mail is redirected; some jurisdictions require one.
        may reason: String,
    }
    /// `mail.delegate`
    Delegate {
        /// Who may read the mailbox.
        needs to: Recipient,
    }
    /// `mail.transfer`, `files.transfer`, `calendars.transfer`
    Transfer {
        /// Who receives the data.
        needs to: Recipient,
        /// The folder it goes into, where the system has folders.
        may folder: String,
    }
    /// `mail.archive`
    MailArchive {
        /// How it is written; without it, what the system does best.
        may format: MailFormat,
    }
    /// `files.archive`
    FilesArchive {
        /// How it is written; without it, what the system does best.
        may format: FilesFormat,
    }
    /// `product.block`
    Block {
        /// The product.
        needs product: String,
        /// Why, for the mail to the organisation's users.
        may reason: String,
    }
    /// `product.unblock`
    Unblock {
        /// The product.
        needs product: String,
    }
    /// `mail.maintenance`
    Maintenance {
        /// Why, for the people who look for their mail.
        may reason: String,
    }
    /// `account.create`: names and department come from the person, the address from HR or the naming convention.
    Create {
        /// The work address, or its part before the `@`, instead of HR's and the convention's.
        may address: String,
        /// The convention of the sign-in name, `{first}.{last}`; without it, the system's, or the work address.
        may naming: String,
        /// Whether sign-in is allowed at once; without it, `true`.
        #[serde(default = "yes")]
        has enabled: bool,
        /// Further addresses.
        may aliases: Vec<String>,
        /// Groups to join.
        may groups: Vec<String>,
        /// The role.
        may role: String,
        /// The storage limit.
        may quota: Quota,
    }
    /// `credentials.send`
    Credentials {
        /// How they are handed over.
        needs method: CredentialsMethod,
        /// Where to; without it, to the person's private address or manager as configured.
        may to: Recipient,
    }
    /// `groups.add`, `groups.sync`
    Groups {
        /// The groups by name; without them, those of the department.
        may groups: Items,
    }
    /// `role.set`
    Role {
        /// The role by name; without it, the department's.
        may role: String,
    }
    /// `alias.add`, `alias.remove`
    Alias {
        /// The address, or its part before the `@`.
        needs alias: String,
    }
    /// `quota.set`
    SetQuota {
        /// Bytes, or a size such as `5 GB`; without it, the department's.
        may quota: Quota,
    }
    /// `account.update`: what is not given stays.
    Update {
        /// First name or names.
        may given_name: String,
        /// Last name.
        may family_name: String,
        /// As shown to others.
        may display_name: String,
        /// Another work address, or its part before the `@`; the old one becomes an alias.
        may address: String,
    }
    /// `password.reset`
    Reset {
        /// Set one, or send a link.
        needs method: ResetMethod,
        /// Where the link goes; without it, to the person.
        may to: Recipient,
    }
    /// `notify.email`: either `template` or `message`.
    Mail {
        /// Who receives it: an address, an employee number, a person, `administrators`, `everybody`, or a list of these.
        needs to: Recipients,
        /// The subject; without it, the template's.
        may subject: String,
        /// The name of a mail template.
        may template: String,
        /// The message itself.
        may message: String,
    }
    /// `http.request`
    Http {
        /// The method.
        needs method: Method,
        /// The URL.
        needs url: String,
        /// Further headers.
        may headers: BTreeMap<String, String>,
        /// The body: text goes as it is, anything else as JSON.
        may body: Value,
    }
    /// `exec`: a program and its arguments, never a shell line.
    Program {
        /// The program, by its absolute path.
        needs program: String,
        /// Its arguments.
        may args: Vec<String>,
    }
    /// `task`
    ManualTask {
        /// Who does it; without it, the operators.
        may assignee: Recipient,
        /// What is to be done, in a line.
        needs title: String,
        /// How it is done.
        may instruction: String,
    }
    /// `checklist`
    Points {
        /// Who ticks the points; without it, the operators.
        may assignee: Recipient,
        /// The points.
        needs items: Items,
    }
    /// `approval`
    Approve {
        /// The role that may approve.
        needs role: String,
        /// What the approver must type.
        may confirm: String,
        /// How long an approval holds; without it, 30 days.
        #[serde(default = "thirty_days")]
        has valid: Length,
        /// How long an answer may take; without it, 30 days.
        #[serde(default = "thirty_days")]
        has answer_within: Length,
        /// What becomes of what it gates when it lapses, or nobody answers; without it, `hold`.
        may on_lapse: OnLapse,
    }
    /// `report.inactive_accounts`
    InactiveReport {
        /// How long nobody has signed in; without it, 90 days.
        #[serde(default = "ninety_days")]
        has unused_for: Length,
        /// How it is written; without it, `csv`.
        may format: ReportFormat,
        /// Who receives it by mail.
        may to: Recipient,
    }
    /// `report.roles`, `report.aliases`, `report.accounts`
    Report {
        /// How it is written; without it, `csv`.
        may format: ReportFormat,
        /// Who receives it by mail.
        may to: Recipient,
    }
}

const fn yes() -> bool {
    true
}

const fn departure() -> DisableReason {
    DisableReason::Departure
}

fn thirty_days() -> Length {
    days(30)
}

fn ninety_days() -> Length {
    days(90)
}

fn days(days: i32) -> Length {
    Length(Span::Calendar(FixedSpan(jiff::Span::new().days(days))))
}
