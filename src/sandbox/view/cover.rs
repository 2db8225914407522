//! What is mounted over the hidden parts of a work tree that the container sees as it is.

use std::path::PathBuf;
use std::sync::Arc;

use bollard::models::Mount;

use super::super::request::{empty_folder, read_only_mount};
use super::super::{SandboxError, WORKSPACE};
use super::{WorkTree, on_disk};

/// More mounts than this would make every start slow, and engines have limits of their own.
const MOST: usize = 200;

/// One for each hidden path: an empty folder, or `/dev/null` over what is none. A symbolic link stays: what it leads to is
/// hidden by itself, or not there.
///
/// # Errors
/// When the tree cannot be walked, or something in it cannot be covered.
pub(in crate::sandbox) async fn covers(
    tree: &Arc<dyn WorkTree>,
) -> Result<Vec<Mount>, SandboxError> {
    let unfit = |reason: String| SandboxError::View { reason };
    let looked = on_disk(tree, "listing what is hidden", |tree| {
        let kind = |path: &PathBuf| tree.root().join(path).symlink_metadata();
        let hidden = tree.hidden()?.into_iter();
        let found = hidden.filter_map(|path| kind(&path).ok().map(|found| (path, found)));
        Ok(found
            .filter(|(_, found)| !found.is_symlink())
            .map(|(path, found)| (path, found.is_dir()))
            .collect::<Vec<_>>())
    });
    let hidden = looked.await?;
    if hidden.len() > MOST {
        return Err(unfit(format!(
            "read-only, {} ignored files and folders would have to be covered, more than {MOST}; set sandbox.view to auto",
            hidden.len()
        )));
    }
    let mount = |(path, is_folder): (PathBuf, bool)| {
        let Some(path) = path.to_str() else {
            return Err(unfit(format!(
                "{} is ignored, and cannot be covered: its name is not UTF-8",
                path.display()
            )));
        };
        let target = format!("{WORKSPACE}/{path}");
        Ok(match is_folder {
            true => empty_folder(target),
            false => read_only_mount("/dev/null".as_ref(), &target),
        })
    };
    hidden.into_iter().map(mount).collect()
}
