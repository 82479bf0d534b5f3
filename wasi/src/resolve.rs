//! [`resolve`]: what a path names, below a directory that it cannot leave.

use crate::fallible::{try_push_str, try_string};
use crate::types::{Errno, Filetype, Result};
use alloc::string::String;

/// The most symbolic links that are followed on a path.
pub const MAX_SYMLINKS: u32 = 40;
/// The most bytes of a path's component.
pub const MAX_NAME_BYTES: usize = 255;

/// The most components that are walked, those of links included: twice what a path
/// of 4096 bytes can have.
const MAX_COMPONENTS: u32 = 4096;

/// What becomes of a symbolic link at a path's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    /// It is what the path names: where something is made, moved or removed.
    Keep,
    /// It is followed if a slash comes after it: where something is looked at.
    FollowBeforeSlash,
    /// It is followed.
    Follow,
}

/// A file system as [`resolve`] needs it. It must not change meanwhile.
pub trait Tree {
    /// A file, a directory or a link.
    type Node: Copy + Eq;

    /// What it is.
    fn filetype(&self, node: Self::Node) -> Filetype;

    /// The directory that contains a directory. Not asked for the root.
    fn parent(&self, directory: Self::Node) -> Self::Node;

    /// What has this name in a directory. Not asked for `.` and `..`.
    ///
    /// # Errors
    /// Whatever the guest is to be told.
    fn child(&self, directory: Self::Node, name: &str) -> Result<Option<Self::Node>>;

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// Whatever the guest is to be told.
    fn target(&self, link: Self::Node) -> Result<&str>;
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<N> {
    /// The directory that its last component is in.
    pub parent: N,
    /// Its last component; empty if it names the start, or ended with `..` or `.`:
    /// such a thing cannot be made, moved or removed.
    pub name: String,
    /// What is there.
    pub node: Option<N>,
    /// A slash followed: it names a directory.
    pub is_directory: bool,
}

/// Finds what `path` names below `start`, which is a directory. Links before the end
/// are followed, and the one at the end if `last` says so.
///
/// Nothing above `start` is ever reached: not by `..`, not by a link.
///
/// # Errors
/// [`Errno::Perm`] if the path leads out; [`Errno::Noent`] if a directory on it is not
/// there; [`Errno::Notdir`] if something on it is not a directory; [`Errno::Loop`] for
/// more than [`MAX_SYMLINKS`] links; [`Errno::Nametoolong`] for a component of more than
/// [`MAX_NAME_BYTES`], or if what links make of the path has more than `path_limit`, or
/// more than 4096 components in all.
pub fn resolve<T: Tree>(
    tree: &T,
    start: T::Node,
    path: &str,
    last: LastLink,
    path_limit: usize,
) -> Result<Place<T::Node>> {
    if path.starts_with('/') {
        return Err(Errno::Perm);
    }
    // What is yet to be walked, once a link has been followed.
    let mut text;
    let mut rest = path;
    let (mut at, mut links, mut components) = (start, 0, 0);
    // A link can end with a slash, and a component after which a slash came can be one.
    let mut is_directory = false;
    loop {
        let (component, after) = match rest.split_once('/') {
            Some((component, after)) => (component, Some(after.trim_start_matches('/'))),
            None => (rest, None),
        };
        is_directory |= after == Some("");
        let after = after.unwrap_or("");
        let is_last = after.is_empty();
        components += 1;
        if components > MAX_COMPONENTS {
            return Err(Errno::Nametoolong);
        }
        let dots = matches!(component, "" | "." | "..");
        if component == ".." {
            if at == start {
                return Err(Errno::Perm);
            }
            at = tree.parent(at);
        }
        if dots {
            if is_last {
                let (name, node) = (String::new(), Some(at));
                return Ok(Place { parent: at, name, node, is_directory: true });
            }
            rest = after;
            continue;
        }
        if component.len() > MAX_NAME_BYTES {
            return Err(Errno::Nametoolong);
        }
        let node = tree.child(at, component)?;
        let filetype = node.map(|node| (node, tree.filetype(node)));
        let follows = !is_last
            || match last {
                LastLink::Keep => false,
                LastLink::FollowBeforeSlash => is_directory,
                LastLink::Follow => true,
            };
        match filetype {
            Some((link, Filetype::SymbolicLink)) if follows => {
                links += 1;
                if links > MAX_SYMLINKS {
                    return Err(Errno::Loop);
                }
                let target = tree.target(link)?;
                if target.starts_with('/') {
                    return Err(Errno::Perm);
                }
                if target.len() + 1 + after.len() > path_limit {
                    return Err(Errno::Nametoolong);
                }
                let mut next = try_string(target)?;
                if !is_last {
                    try_push_str(&mut next, "/")?;
                    try_push_str(&mut next, after)?;
                }
                text = next;
                rest = &text;
            }
            _ if is_last => {
                let name = try_string(component)?;
                return Ok(Place { parent: at, name, node, is_directory });
            }
            Some((node, Filetype::Directory)) => {
                at = node;
                rest = after;
            }
            Some(_) => return Err(Errno::Notdir),
            None => return Err(Errno::Noent),
        }
    }
}
