//! The workflows that new runs may be of: the shipped ones, and a folder's over them.

use std::collections::BTreeMap;
use std::path::Path;
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
    /// Whether any file has a mistake.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The shipped workflows, and those of `folder` over them (a file of the same name takes the shipped one's place).
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn load(folder: Option<&Path>) -> std::io::Result<Self> {
        let own = match folder {
            Some(folder) => read_folder(folder)?,
            None => Vec::new(),
        };
        let replaced: Vec<&str> = own.iter().map(|(path, _)| stem(path)).collect();
        let shipped = SHIPPED
            .iter()
            .filter(|(name, _)| !replaced.contains(name))
            .map(|(name, text)| (format!("{name}.yaml (shipped)"), (*text).to_owned()));
        let files: Vec<(String, String)> = shipped.chain(own.clone()).collect();
        let checked = check_all(files);
        Ok(Self {
            workflows: checked
                .workflows
                .into_iter()
                .map(|workflow| (workflow.name.clone(), Arc::new(workflow)))
                .collect(),
            diagnostics: checked.diagnostics,
        })
    }
}

fn stem(path: &str) -> &str {
    Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or(path)
}

fn read_folder(folder: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if yaml && path.is_file() {
            files.push((path.display().to_string(), std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}
