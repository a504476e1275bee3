//! The workflows that new runs may be of: the shipped ones, and a folder's over them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::workflow::{Diagnostic, SHIPPED, Severity, Workflow, check_all, parse};

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

    /// The shipped workflows, and those of `folder` over them (a workflow of the same name takes the shipped one's place).
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn load(folder: Option<&Path>) -> std::io::Result<Self> {
        let own = match folder {
            Some(folder) => read_folder(folder)?,
            None => Vec::new(),
        };
        let replaced: Vec<String> = own.iter().map(|(path, text)| name(path, text)).collect();
        let shipped = SHIPPED
            .iter()
            .filter(|(name, _)| !replaced.iter().any(|own| own == name))
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

/// What a file is called by its own word, and, where it has mistakes, by its file name.
fn name(path: &str, text: &str) -> String {
    let stem = || Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or(path).to_owned();
    parse(path, text).map_or_else(|_| stem(), |(workflow, _)| workflow.name)
}

/// A file that is no text is read as far as it goes: that it is no workflow is found with the other mistakes, and stops
/// no workflow that is right.
fn read_folder(folder: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if yaml && path.is_file() {
            let bytes = std::fs::read(&path)?;
            files.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(name: &str) -> &'static str {
        SHIPPED.iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn a_workflow_takes_the_place_of_the_shipped_one_whatever_its_file_is_called() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("our-way-out.yml"), shipped("departure")).unwrap();
        let library = Library::load(Some(folder.path())).unwrap();
        assert!(!library.has_errors(), "{:?}", library.diagnostics);
        assert_eq!(library.workflows.len(), SHIPPED.len());
    }

    #[test]
    fn a_file_that_is_no_text_stops_no_other() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("picture.yaml"), [0xff, 0xd8, 0xff, 0x00, 0x10]).unwrap();
        std::fs::create_dir(folder.path().join("old.yaml")).unwrap();
        let library = Library::load(Some(folder.path())).unwrap();
        assert_eq!(library.workflows.len(), SHIPPED.len());
        assert!(library.has_errors() && library.diagnostics.iter().all(|found| found.file.ends_with("picture.yaml")));
    }
}
