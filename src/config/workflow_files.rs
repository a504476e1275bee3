//! Which workflow files hold: those that come with usher, and over them those of the configured folder.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::problem::Problem;
use super::settings::WorkflowSettings;
use crate::workflow::{self, SHIPPED, parse};

/// Largest workflow file, in bytes.
const MOST: u64 = workflow::yaml::MAX_BYTES as u64;

/// A workflow's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowFile {
    /// Its path; `NAME.yaml (built in)` for those that come with usher.
    pub file: String,
    /// What it says.
    pub text: String,
}

impl WorkflowSettings {
    /// All of them: the folder's in alphabetical order, then those built in that no file of the folder replaces.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read.
    pub fn files(&self) -> Result<Vec<WorkflowFile>, Problem> {
        let mut files = match &self.folder {
            Some(folder) => files_in(folder)?,
            None => Vec::new(),
        };
        let replaced: BTreeSet<String> = files.iter().flat_map(names).collect();
        let built_in = SHIPPED.iter().filter(|(name, _)| !replaced.contains(*name));
        files.extend(
            built_in
                .map(|(name, text)| WorkflowFile { file: format!("{name}.yaml (built in)"), text: (*text).to_owned() }),
        );
        Ok(files)
    }
}

/// The workflow files of `folder` (`.yaml`, `.yml`), in alphabetical order.
///
/// # Errors
/// When the folder or a file in it cannot be read.
pub fn files_in(folder: &Path) -> Result<Vec<WorkflowFile>, Problem> {
    let unreadable = |error: std::io::Error| {
        Problem::new(folder.display().to_string(), format!("the folder of workflows cannot be read: {error}"))
            .help("`folder` in [workflows] names it; `usher init` makes one to begin with")
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() && path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read_workflow(path)).collect()
}

/// Reads one file. One that is no text is read as far as it goes; its mistakes are found with those of the others.
///
/// # Errors
/// When it cannot be read.
pub fn read_workflow(path: &Path) -> Result<WorkflowFile, Problem> {
    let file = path.display().to_string();
    // One byte more than a workflow may have: what is larger is said to be, and not read.
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(WorkflowFile { file, text: String::from_utf8_lossy(&bytes).into_owned() }),
        Err(error) => Err(Problem::new(file, format!("cannot be read: {error}"))),
    }
}

/// What a file is called by its own word, and, where it has mistakes, by its file name.
fn names(file: &WorkflowFile) -> Option<String> {
    match parse(&file.file, &file.text) {
        Ok((workflow, _)) => Some(workflow.name),
        Err(_) => Path::new(&file.file).file_stem().map(|stem| stem.to_string_lossy().into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::check_all;

    fn shipped(name: &str) -> &'static str {
        SHIPPED.iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn a_file_takes_the_place_of_the_shipped_one_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("our-way-out.yml"), shipped("departure")).unwrap();
        std::fs::write(folder.path().join("unblock.yaml"), "broken: [").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "nothing").unwrap();
        let files = WorkflowSettings { folder: Some(folder.path().to_owned()) }.files().unwrap();
        let built_in: Vec<&str> =
            files.iter().map(|file| file.file.as_str()).filter(|f| f.contains("built in")).collect();
        assert_eq!(files.len(), SHIPPED.len());
        assert!(!built_in.contains(&"departure.yaml (built in)") && !built_in.contains(&"unblock.yaml (built in)"));
    }

    #[test]
    fn a_file_that_is_no_text_stops_no_other() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("picture.yaml"), [0xff, 0xd8, 0xff, 0x00, 0x10]).unwrap();
        std::fs::create_dir(folder.path().join("old.yaml")).unwrap();
        let files = WorkflowSettings { folder: Some(folder.path().to_owned()) }.files().unwrap();
        let checked = check_all(files.iter().map(|file| (&file.file, &file.text)));
        assert_eq!(checked.workflows.len(), SHIPPED.len());
        assert!(!checked.diagnostics.is_empty());
        assert!(checked.diagnostics.iter().all(|found| found.file.ends_with("picture.yaml")));
    }

    #[test]
    fn without_a_folder_everything_is_built_in() {
        assert_eq!(WorkflowSettings::default().files().unwrap().len(), SHIPPED.len());
        let missing = WorkflowSettings { folder: Some("/nowhere".into()) }.files().unwrap_err();
        assert!(missing.to_string().contains("/nowhere: the folder of workflows cannot be read"), "{missing}");
    }
}
