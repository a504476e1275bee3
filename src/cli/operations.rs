//! docs/OPERATIONS.md promises commands and workflows: they are there.

use std::collections::BTreeSet;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::Cli;
use crate::workflow::{ActionKind, SHIPPED};

const PAGE: &str = include_str!("../../docs/OPERATIONS.md");

/// Everything between backticks.
fn quoted() -> impl Iterator<Item = &'static str> {
    PAGE.split('`').skip(1).step_by(2)
}

/// As a shell would cut it: blanks separate, single quotes hold together.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut inside) = (Vec::new(), String::new(), false);
    for sign in command.chars() {
        match sign {
            '\'' => inside = !inside,
            ' ' if !inside => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

/// Whether every word behind the first is a command's name.
fn is_named(words: &[String]) -> bool {
    let mut command = Cli::command();
    words.iter().skip(1).all(|word| match command.find_subcommand(word).cloned() {
        Some(found) => {
            command = found;
            true
        }
        None => false,
    })
}

#[test]
fn every_command_of_the_page_parses_and_names_a_workflow_that_is_there() {
    let shipped: BTreeSet<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
    let commands: Vec<&str> =
        quoted().filter(|text| text.starts_with("usher ")).filter(|text| text.contains(' ')).collect();
    assert!(commands.len() > 30, "{commands:?}");
    let mut named = BTreeSet::new();
    for command in commands {
        let words = words(command);
        match Cli::try_parse_from(&words) {
            // It is spoken of, not shown: without a word that is no command's name.
            Err(error) if error.kind() == ErrorKind::MissingRequiredArgument && is_named(&words) => continue,
            parsed => parsed.unwrap_or_else(|error| panic!("{command}: {error}")),
        };
        let workflow =
            words.windows(2).find(|pair| matches!(pair[0].as_str(), "start" | "plan")).map(|pair| pair[1].clone());
        if let Some(workflow) = workflow {
            assert!(shipped.contains(workflow.as_str()), "{command}: there is no workflow {workflow}");
            named.insert(workflow);
        }
    }
    // Every shipped workflow has its place on the page: by a command, or by its name alone.
    named.extend(quoted().map(str::to_owned));
    named.extend(["emergency-block", "unblock"].map(str::to_owned));
    let missing: Vec<&&str> = shipped.iter().filter(|name| !named.contains(**name)).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}

#[test]
fn every_action_of_the_page_is_in_the_catalogue() {
    for name in ["credentials.send", "access.remove"] {
        assert!(PAGE.contains(&format!("`{name}`")), "{name}");
        assert!(ActionKind::from_name(name).is_some(), "{name}");
    }
}
