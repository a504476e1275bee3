//! The closed list of what `usher check` can find. docs/errors.md has a section for each code.

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[doc = $what:literal])+ $variant:ident $word:literal $severity:ident,)*) => {
        /// The kind of a finding: a stable word for scripts, editors and `usher help CODE`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $what])+ $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $word,)* } }

            /// Whether it is a mistake (`error`) or only a warning.
            pub const fn is_warning(self) -> bool { match self { $(Self::$variant => codes!(@$severity),)* } }
        }
    };
    (@mistake) => { false };
    (@warning) => { true };
}

codes! {
    /// A YAML anchor or alias.
    Alias "alias" mistake,
    /// An approval that lapses before what it gates.
    Approval "approval" warning,
    /// An auto-reply without end.
    AutoReply "auto-reply" warning,
    /// Work on an account that has been deleted.
    Conflict "conflict" warning,
    /// A condition that is the same for everybody.
    ConstantCondition "constant-condition" warning,
    /// Two things that exclude each other.
    Contradiction "contradiction" mistake,
    /// Not a cron expression.
    Cron "cron" mistake,
    /// Steps that wait for each other.
    Cycle "cycle" mistake,
    /// A default that does not fit its input.
    Default "default" mistake,
    /// A deletion that nothing prepares.
    Delete "delete" warning,
    /// A destructive step without a wait.
    Destructive "destructive" mistake,
    /// Two documents in one file.
    Documents "documents" mistake,
    /// A key twice.
    DuplicateKey "duplicate-key" mistake,
    /// A step's name twice.
    DuplicateStep "duplicate-step" mistake,
    /// A workflow's name twice.
    DuplicateWorkflow "duplicate-workflow" mistake,
    /// Nothing in the file.
    Empty "empty" mistake,
    /// A selection of subjects that cannot be read.
    ForEach "for-each" mistake,
    /// A grace where there is no deletion.
    Grace "grace" mistake,
    /// An approval that nothing stands behind.
    IdleApproval "idle-approval" warning,
    /// Lines that do not line up, or an indentation that cannot be seen.
    Indentation "indentation" mistake,
    /// An access cut that is left out when it is late.
    LateCut "late-cut" warning,
    /// A template of a mail that cannot be used.
    MailTemplate "mail-template" mistake,
    /// Something that must be there.
    MissingKey "missing-key" mistake,
    /// A name of a form that is not taken.
    Name "name" mistake,
    /// Bytes that are no text.
    NotText "not-text" mistake,
    /// A departure that leaves systems open.
    OpenSystem "open-system" warning,
    /// A redirect without end or reason.
    Redirect "redirect" warning,
    /// A limit of attempts that an access cut does not have.
    RetryCut "retry-cut" warning,
    /// Sessions revoked before the account is disabled.
    Sessions "sessions" warning,
    /// Not a span of time, or not an instant.
    Span "span" mistake,
    /// Not YAML.
    Syntax "syntax" mistake,
    /// Where a step takes place.
    Systems "systems" mistake,
    /// A YAML tag.
    Tag "tag" mistake,
    /// A template or condition that cannot be read.
    Template "template" mistake,
    /// Nested too deeply.
    TooDeep "too-deep" mistake,
    /// Larger than allowed.
    TooLarge "too-large" mistake,
    /// A trigger that does not fit the workflow.
    Trigger "trigger" mistake,
    /// An input that what starts the workflow cannot fill.
    UnfilledInput "unfilled-input" warning,
    /// No such action.
    UnknownAction "unknown-action" mistake,
    /// No such calendar in the configuration.
    UnknownCalendar "unknown-calendar" mistake,
    /// No such field of a person whose change HR tells.
    UnknownField "unknown-field" mistake,
    /// No such input.
    UnknownInput "unknown-input" mistake,
    /// No such key.
    UnknownKey "unknown-key" mistake,
    /// No such variable, filter or test.
    UnknownName "unknown-name" mistake,
    /// No such policy in the configuration.
    UnknownPolicy "unknown-policy" mistake,
    /// No such fact of an event.
    UnknownSource "unknown-source" mistake,
    /// No such step.
    UnknownStep "unknown-step" mistake,
    /// No such system in the configuration.
    UnknownSystem "unknown-system" mistake,
    /// No such template.
    UnknownTemplate "unknown-template" mistake,
    /// Not one of the words that are taken there.
    UnknownWord "unknown-word" mistake,
    /// No such time zone.
    UnknownZone "unknown-zone" mistake,
    /// An `until` that cannot be.
    Until "until" mistake,
    /// An input that nothing uses.
    UnusedInput "unused-input" warning,
    /// Another type than what is needed.
    WrongType "wrong-type" mistake,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, word: &&str) -> bool {
        self.as_str() == *word
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
