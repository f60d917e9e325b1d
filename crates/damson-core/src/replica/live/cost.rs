//! What is alive, in bytes of memory.
//!
//! Counted is what the structures of this module hold for their contents: a share of the table for each key, names, paths
//! and values with what the allocator adds, nodes of trees. The layouts are taken from the compiler, so that the count
//! follows when they change; what the compiler does not know, the constants below, was measured with
//! `damson bench memory`, which shows the count beside the growth of the process (docs/replication.md). Not counted is room
//! that was left behind (places in pages, the allocator's own): it is used again.

use damson_crdt::{Cell, LiveDot, Path, Payload};

/// Homes of a table for each name, in bytes: eight, of which three to six eighths of those taken at most are used.
const SLOT_BYTES: u64 = 16;

/// What the allocator puts before each piece, and the multiple to which it rounds.
const ALLOCATION_BYTES: usize = 8;
const ALLOCATION_STEP: usize = 16;
const ALLOCATION_BYTES_MIN: usize = 32;

/// What bytes take besides their own that are, or were, held in two places.
const SHARED_BYTES: usize = 24;

/// Entries of a node of the standard library's tree, and what it has besides.
const NODE_ENTRIES: usize = 11;
const NODE_BYTES: usize = 16;

/// Sixths of a node that an entry of a large tree takes, inner nodes included, when entries come in order; when they come
/// in no order nodes are fuller by a fifth.
const ENTRIES_A_NODE: u64 = 6;

/// What the allocator takes for so many bytes.
pub(in crate::replica) fn allocated(bytes: usize) -> u64 {
    match bytes {
        0 => 0,
        _ => (bytes + ALLOCATION_BYTES).next_multiple_of(ALLOCATION_STEP).max(ALLOCATION_BYTES_MIN) as u64,
    }
}

/// Bytes that are held in several places.
pub(in crate::replica) fn shared(bytes: usize) -> u64 {
    if bytes == 0 { 0 } else { allocated(bytes) + allocated(SHARED_BYTES) }
}

/// A tree with so many entries of this size.
pub(in crate::replica) fn tree(entries: usize, entry_bytes: usize) -> u64 {
    let node = allocated(NODE_ENTRIES * entry_bytes + NODE_BYTES);
    match entries {
        0 => 0,
        1..=NODE_ENTRIES => node,
        _ => entries as u64 * node / ENTRIES_A_NODE,
    }
}

/// An entry of a large tree.
pub(in crate::replica) fn in_tree(entry_bytes: usize) -> u64 {
    allocated(NODE_ENTRIES * entry_bytes + NODE_BYTES) / ENTRIES_A_NODE
}

/// A name in a table, without what that is for has outside: `page_bytes` is its share of a page.
pub(super) fn name(name: &[u8], inline_bytes: usize, page_bytes: u64) -> u64 {
    let name = if name.len() > inline_bytes { allocated(name.len()) } else { 0 };
    page_bytes + SLOT_BYTES + name
}

/// A path: those of plain cells directly at a key are one byte that needs no memory.
pub(in crate::replica) fn path(path: &Path) -> u64 {
    match path.as_bytes().len() {
        0 | 1 => 0,
        len => shared(len),
    }
}

/// What a cell holds besides itself: all its payloads, and its dots if there are several.
pub(super) fn cell(cell: &Cell) -> u64 {
    let payloads: u64 = cell.dots().iter().map(|live| payload(&live.payload)).sum();
    match cell.dots().len() {
        0 | 1 => payloads,
        several => payloads + allocated(several.next_power_of_two() * size_of::<LiveDot>()),
    }
}

/// What a payload holds besides itself.
pub(super) fn payload(payload: &Payload) -> u64 {
    match payload {
        Payload::Value { bytes, .. } => allocated(bytes.len()),
        Payload::Seen(taken) => tree(taken.len(), size_of::<(damson_crdt::Epoch, damson_crdt::Taken)>()),
        _ => 0,
    }
}
