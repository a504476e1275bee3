//! The workflows that new runs may be of.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::workflow::{Diagnostic, SHIPPED, Severity, Workflow, check_all};

/// Workflows by name, and what was said about their files.
#[derive(Debug, Default)]
pub struct Library {
    /// Workflows without mistakes.
    pub workflows: BTreeMap<String, Arc<Workflow>>,
    /// Mistakes and warnings of all files.
    pub diagnostics: Vec<Diagnostic>,
}

impl Library {
    /// The workflows in `files`, each with its name for messages and its text.
    pub fn of(files: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> Self {
        let checked = check_all(files);
        let by_name = |workflow: Workflow| (workflow.name.clone(), Arc::new(workflow));
        Self { workflows: checked.workflows.into_iter().map(by_name).collect(), diagnostics: checked.diagnostics }
    }

    /// Those that come with usher.
    pub fn shipped() -> Self {
        Self::of(SHIPPED.iter().copied())
    }

    /// Whether any file has a mistake.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}
