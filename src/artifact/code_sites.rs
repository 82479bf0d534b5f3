//! [`CodeSites`]: which Wasm instruction a return address in generated code
//! belongs to, and which trap it stands for. Written by [`CodeSitesBuilder`],
//! read in place.
//!
//! ```text
//! bytes:    per site: return offset − that of the site before   LEB128
//!                     0 for a call, or the code of a trap       one byte
//!                     module offset − that of the site before   LEB128, zigzag
//!                     only for a trap: code offset − that of the
//!                     trap before                               LEB128, zigzag
//! restarts: [(return offset, position in bytes)] for every 32nd site, before
//!           which all offsets count as 0
//! ```
//! Return offsets are strictly increasing.

use super::lasting::Lasting;
use crate::abi::Trap;
#[cfg(any(feature = "compile", test))]
use crate::error::Result;
#[cfg(any(feature = "compile", test))]
use std_alloc::vec::Vec;

/// A call out of a function, or a check in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeSite {
    /// Where the call returns to; for a check, the call that it makes when it
    /// fails. In bytes from the start of the code.
    pub return_offset: u32,
    /// Where the function would go on: a call's return offset, or the check.
    pub code_offset: u32,
    /// The Wasm instruction, in bytes from the start of the module.
    pub module_offset: u32,
    /// What is raised here, unless it is a call.
    pub trap: Option<Trap>,
}

/// Sites between two restarts.
const RUN: usize = 32;

/// The sites of a module.
#[derive(Debug, Default)]
pub struct CodeSites {
    pub(super) bytes: Lasting<u8>,
    pub(super) restarts: Lasting<[u32; 2]>,
}

/// Reads sites one after another.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    last: Last,
}

/// What differences count from.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    return_offset: u32,
    code_offset: u32,
    module_offset: u32,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline(never)]
    fn number(&mut self) -> Option<u32> {
        let mut number = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn difference(&mut self) -> Option<u32> {
        let zigzag = self.number()?;
        Some(zigzag >> 1 ^ (zigzag & 1).wrapping_neg())
    }

    #[inline(never)]
    fn site(&mut self) -> Option<CodeSite> {
        let return_offset = self.last.return_offset.wrapping_add(self.number()?);
        let kind = self.byte()?;
        let module_offset = self.last.module_offset.wrapping_add(self.difference()?);
        let mut site =
            CodeSite { return_offset, code_offset: return_offset, module_offset, trap: None };
        if kind != 0 {
            site.trap = Some(Trap::from_code(u64::from(kind))?);
            site.code_offset = self.last.code_offset.wrapping_add(self.difference()?);
            self.last.code_offset = site.code_offset;
        }
        self.last.return_offset = return_offset;
        self.last.module_offset = module_offset;
        Some(site)
    }
}

impl CodeSites {
    /// A copy.
    #[cfg(feature = "compile")]
    pub(super) fn try_clone(&self) -> Result<Self> {
        Ok(Self { bytes: self.bytes.try_clone()?, restarts: self.restarts.try_clone()? })
    }

    /// The site that returns to exactly `return_offset`.
    pub fn lookup(&self, return_offset: u32) -> Option<CodeSite> {
        let run = self.restarts.partition_point(|[first, _]| *first <= return_offset);
        let mut run = self.run(run.checked_sub(1)?);
        loop {
            let site = run.site()?;
            if site.return_offset >= return_offset {
                return (site.return_offset == return_offset).then_some(site);
            }
        }
    }

    fn run(&self, run: usize) -> Reader<'_> {
        let start_of =
            |run| self.restarts.get(run).map_or(self.bytes.len(), |row: &[u32; 2]| row[1] as usize);
        let bytes = self.bytes.get(start_of(run)..start_of(run + 1)).unwrap_or_default();
        Reader { bytes, at: 0, last: Last::default() }
    }

    /// All sites.
    pub fn iter(&self) -> impl Iterator<Item = CodeSite> {
        (0..self.restarts.len()).flat_map(|run| {
            let mut run = self.run(run);
            core::iter::from_fn(move || run.site())
        })
    }

    /// Size of the tables in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.restarts)
    }

    /// Whether the tables are what a [`CodeSitesBuilder`] makes, with all offsets
    /// within code of this length.
    pub fn is_well_formed(&self, code_len: u32) -> bool {
        let ends = self.restarts.iter().skip(1).map(|[_, at]| *at as usize);
        let mut ends = ends.chain([self.bytes.len()]);
        let (mut at, mut last) = (0, None);
        let mut left = self.restarts.len();
        for [first, start] in &*self.restarts {
            left -= 1;
            let Some(bytes) = ends.next().and_then(|end| self.bytes.get(at..end)) else {
                return false;
            };
            let mut run = Reader { bytes, at: 0, last: Last::default() };
            let mut count = 0;
            while run.at < bytes.len() {
                let Some(site) = run.site() else { return false };
                let is_first = count == 0;
                if last >= Some(site.return_offset)
                    || site.return_offset.max(site.code_offset) > code_len
                    || is_first && (site.return_offset != *first || *start as usize != at)
                {
                    return false;
                }
                last = Some(site.return_offset);
                count += 1;
            }
            if count != RUN && !(left == 0 && 0 < count && count < RUN) {
                return false;
            }
            at += bytes.len();
        }
        at == self.bytes.len()
    }
}

/// Collects sites in order of their return offsets.
#[cfg(any(feature = "compile", test))]
#[derive(Debug, Default)]
pub struct CodeSitesBuilder {
    bytes: Vec<u8>,
    restarts: Vec<[u32; 2]>,
    count: usize,
    last: Last,
}

#[cfg(any(feature = "compile", test))]
impl CodeSitesBuilder {
    /// Adds a site. Returns false, and adds nothing, if it is out of order.
    #[must_use]
    pub fn push(&mut self, site: CodeSite) -> bool {
        if self.count > 0 && site.return_offset <= self.last.return_offset {
            return false;
        }
        if self.count.is_multiple_of(RUN) {
            self.restarts.push([site.return_offset, self.bytes.len() as u32]);
            self.last = Last::default();
        }
        self.count += 1;
        self.number(site.return_offset - self.last.return_offset);
        self.bytes.push(site.trap.map_or(0, |trap| trap as u8));
        self.difference(site.module_offset, self.last.module_offset);
        if site.trap.is_some() {
            self.difference(site.code_offset, self.last.code_offset);
            self.last.code_offset = site.code_offset;
        }
        self.last.return_offset = site.return_offset;
        self.last.module_offset = site.module_offset;
        true
    }

    fn number(&mut self, mut number: u32) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn difference(&mut self, to: u32, from: u32) {
        let difference = to.wrapping_sub(from) as i32;
        self.number((difference << 1 ^ difference >> 31) as u32);
    }

    /// The finished table.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn finish(self) -> Result<CodeSites> {
        let (bytes, restarts) = (Lasting::owned(self.bytes)?, Lasting::owned(self.restarts)?);
        Ok(CodeSites { bytes, restarts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` sites: every third a call, module offsets up and down.
    fn sites(count: u32) -> Vec<CodeSite> {
        let site = |n: u32| {
            let return_offset = 5 + n * 300;
            let trap = (!n.is_multiple_of(3)).then(|| Trap::ALL[n as usize % Trap::ALL.len()]);
            CodeSite {
                return_offset,
                code_offset: trap.map_or(return_offset, |_| (n * 7919) % 5_000),
                module_offset: (n * 104_729) % 1_000_003,
                trap,
            }
        };
        (0..count).map(site).collect()
    }

    fn built(sites: &[CodeSite]) -> CodeSites {
        let mut builder = CodeSitesBuilder::default();
        for site in sites {
            assert!(builder.push(*site));
        }
        builder.finish().unwrap()
    }

    #[test]
    fn what_was_put_in_comes_out_and_nothing_else() {
        for count in [0, 1, 31, 32, 33, 64, 1000] {
            let sites = sites(count);
            let table = built(&sites);
            assert_eq!(table.iter().collect::<Vec<_>>(), sites);
            for site in &sites {
                assert_eq!(table.lookup(site.return_offset), Some(*site));
                assert_eq!(table.lookup(site.return_offset - 1), None);
                assert_eq!(table.lookup(site.return_offset + 1), None);
            }
            assert!(table.is_well_formed(5 + count * 300 + 5_000));
            assert!(count == 0 || !table.is_well_formed(4 + (count - 1) * 300));
        }
    }

    #[test]
    fn extreme_offsets_survive() {
        let extreme = |return_offset, code_offset, module_offset| CodeSite {
            return_offset,
            code_offset,
            module_offset,
            trap: Some(Trap::IntegerOverflow),
        };
        let sites =
            [extreme(0, u32::MAX, u32::MAX), extreme(1, 0, 0), extreme(u32::MAX, 1 << 31, 1 << 31)];
        assert_eq!(built(&sites).iter().collect::<Vec<_>>(), sites);
    }

    #[test]
    fn disorder_is_refused() {
        let mut builder = CodeSitesBuilder::default();
        let site = sites(2)[1];
        assert!(builder.push(site));
        assert!(!builder.push(site));
    }

    #[test]
    fn a_truncated_table_gives_no_wrong_site() {
        let sites = sites(40);
        let mut table = built(&sites);
        for len in (0..table.bytes.len()).rev() {
            table.bytes = Lasting::owned(table.bytes[..len].to_vec()).unwrap();
            for site in &sites {
                let found = table.lookup(site.return_offset);
                assert!(found.is_none_or(|found| found == *site));
            }
        }
    }

    #[test]
    fn a_site_takes_a_few_bytes() {
        let site = |n: u32| CodeSite {
            return_offset: 1_000_000 + n * 5,
            code_offset: 500_000 + n * 20,
            module_offset: 300_000 + n * 6,
            trap: Some(Trap::MemoryOutOfBounds),
        };
        let sites: Vec<_> = (0..1024).map(site).collect();
        assert!(built(&sites).size_bytes() < 5 * sites.len());
    }
}
