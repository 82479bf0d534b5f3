//! Makes nodes of an archive.

use super::ImageError;
use super::content::Content;
use super::entries::Entries;
use super::image::{self, ImageBytes, Member, MemberKind};
use super::state::{Kind, ROOT, State};
use crate::fallible::try_string;
use crate::resolve::{MAX_NAME_BYTES, Tree};
use crate::types::{Errno, Filetype, Result};

/// Adds everything that is in the image.
///
/// # Errors
/// [`ImageError`]; what came before it has been added.
pub(super) fn load(state: &mut State, image: ImageBytes) -> Result<(), ImageError> {
    state.is_loading = true;
    let loaded = image::read(image.bytes(), &mut |member| {
        let offset = member.offset;
        add(state, &image, member).map_err(|errno| ImageError { offset, what: reason(errno) })
    });
    state.is_loading = false;
    loaded
}

fn reason(errno: Errno) -> &'static str {
    match errno {
        Errno::Perm => "a path that leads out of the image",
        Errno::Nametoolong => "a name that is too long",
        Errno::Noent => "a link to what is not there",
        Errno::Exist | Errno::Notdir | Errno::Isdir => "two members of the same name",
        errno => errno.message(),
    }
}

fn add(state: &mut State, image: &ImageBytes, member: Member) -> Result<()> {
    let Some((directory, name)) = place(state, &member.path)? else { return Ok(()) };
    let known = state.child(directory, name)?;
    let kind = match member.kind {
        MemberKind::Other => return Ok(()),
        MemberKind::Directory => {
            let node = match known {
                Some(known) if state.filetype(known) == Filetype::Directory => known,
                Some(_) => return Err(Errno::Exist),
                None => make_directory(state, directory, name)?,
            };
            return stamp(state, node, member.modified);
        }
        MemberKind::Hardlink(target) => {
            let (parent, last) = place(state, &target)?.ok_or(Errno::Perm)?;
            let node = state.child(parent, last)?.ok_or(Errno::Noent)?;
            remove_known(state, directory, name, known)?;
            return state.name(directory, try_string(name)?, node);
        }
        MemberKind::Symlink(target) => Kind::Link(target),
        MemberKind::File(range) => Kind::File(Content::of_image(image.part(range))),
    };
    // A later member replaces an earlier one.
    remove_known(state, directory, name, known)?;
    let node = state.make(directory, try_string(name)?, kind, 0)?;
    stamp(state, node, member.modified)
}

fn remove_known(state: &mut State, directory: u32, name: &str, known: Option<u32>) -> Result<()> {
    match known {
        Some(known) if state.filetype(known) == Filetype::Directory => Err(Errno::Isdir),
        Some(_) => state.unname(directory, name),
        None => Ok(()),
    }
}

fn make_directory(state: &mut State, parent: u32, name: &str) -> Result<u32> {
    let kind = Kind::Directory { entries: Entries::default(), parent };
    state.make(parent, try_string(name)?, kind, 0)
}

fn stamp(state: &mut State, node: u32, modified: u64) -> Result<()> {
    let node = state.node_mut(node)?;
    (node.accessed, node.modified, node.changed) = (modified, modified, modified);
    Ok(())
}

/// The directory that a path's last component is in, and that component. Directories
/// on the way are made. `None` is the root.
fn place<'p>(state: &mut State, path: &'p str) -> Result<Option<(u32, &'p str)>> {
    let mut at = ROOT;
    let mut components = path.split('/').filter(|part| !matches!(*part, "" | ".")).peekable();
    while let Some(component) = components.next() {
        if component == ".." {
            return Err(Errno::Perm);
        }
        if component.len() > MAX_NAME_BYTES || component.contains('\0') {
            return Err(Errno::Nametoolong);
        }
        if components.peek().is_none() {
            return Ok(Some((at, component)));
        }
        at = match state.child(at, component)? {
            Some(node) if state.filetype(node) == Filetype::Directory => node,
            Some(_) => return Err(Errno::Notdir),
            None => make_directory(state, at, component)?,
        };
    }
    Ok(None)
}
