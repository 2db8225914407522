//! The names a patch uses: each once, none as both file and folder, no two that differ only in case.

use super::PlanError;
use crate::workspace::WorkspacePath;
use std::collections::BTreeMap;

/// Every name that the patch uses, by its folded form, with all folders above it.
#[derive(Default)]
pub(super) struct Names {
    files: BTreeMap<String, WorkspacePath>,
    folders: BTreeMap<String, WorkspacePath>,
}

impl Names {
    pub(super) fn claim(&mut self, path: &WorkspacePath) -> Result<(), PlanError> {
        let folded = path.as_str().to_lowercase();
        if let Some(other) = self.files.get(&folded) {
            return Err(self.clash(path, other));
        }
        match self.folders.get(&folded) {
            Some(other) if other == path => {
                return Err(PlanError::FileAndFolder {
                    path: path.clone(),
                    other: other.clone(),
                });
            }
            Some(other) => return Err(self.clash(path, other)),
            None => {}
        }
        for folder in path.ancestors() {
            let folded = folder.as_str().to_lowercase();
            if let Some(other) = self.files.get(&folded) {
                return Err(self.clash(path, other));
            }
            match self.folders.get(&folded) {
                Some(other) if *other != folder => {
                    return Err(PlanError::CaseTwin {
                        path: path.clone(),
                        other: other.to_string(),
                    });
                }
                _ => self.folders.insert(folded, folder),
            };
        }
        self.files.insert(folded, path.clone());
        Ok(())
    }

    fn clash(&self, path: &WorkspacePath, other: &WorkspacePath) -> PlanError {
        if path == other {
            PlanError::Twice { path: path.clone() }
        } else if path.as_str().len() == other.as_str().len() {
            PlanError::CaseTwin {
                path: path.clone(),
                other: other.to_string(),
            }
        } else {
            PlanError::FileAndFolder {
                path: path.clone(),
                other: other.clone(),
            }
        }
    }
}
