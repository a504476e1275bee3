//! Filters (RFC 7644, 3.4.2.2). A value in them is a JSON string, written by the JSON library: it cannot end early, so it
//! can never say anything else than itself.

use serde_json::Value;

/// The attribute has this value.
pub(super) fn equals(attribute: &str, value: &str) -> String {
    format!("{attribute} eq {}", Value::from(value))
}

/// The ways in which providers let themselves be asked for the groups that hold somebody. The first is that of the
/// standard; no provider understands all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holding {
    Sub,
    Bracket,
    Bare,
}

impl Holding {
    pub(super) const ALL: [Self; 3] = [Self::Sub, Self::Bracket, Self::Bare];

    /// The groups that hold the account with this id.
    pub(super) fn filter(self, id: &str) -> String {
        match self {
            Self::Sub => equals("members.value", id),
            Self::Bracket => member(id),
            Self::Bare => equals("members", id),
        }
    }
}

/// One member of a group, as a filter and as the path of what is to be taken away (RFC 7644, 3.5.2.2).
pub(super) fn member(id: &str) -> String {
    format!("members[{}]", equals("value", id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_nothing_but_itself() {
        for (value, filter) in [
            ("ada", r#"userName eq "ada""#),
            (r#"x" or userName pr or userName eq "y"#, r#"userName eq "x\" or userName pr or userName eq \"y""#),
            (r"back\slash\", r#"userName eq "back\\slash\\""#),
            ("line\nend\u{0}", r#"userName eq "line\nend\u0000""#),
            ("Zoë", r#"userName eq "Zoë""#),
        ] {
            assert_eq!(equals("userName", value), filter);
            let literal = filter.strip_prefix("userName eq ").unwrap();
            assert_eq!(serde_json::from_str::<String>(literal).unwrap(), value, "read again it is the same");
        }
        assert_eq!(member(r#"x"] or members[value pr"#), r#"members[value eq "x\"] or members[value pr"]"#);
    }
}
