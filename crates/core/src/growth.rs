//! Vectors of secrets that leave nothing behind when they grow.

use alloc::vec::Vec;

/// Appends to a vector whose items wipe themselves when dropped.
///
/// A vector that grows moves its bytes and frees the old ones as they are. Here the items are cloned into the larger
/// one, and the old ones dropped.
///
/// ```
/// let mut secrets = Vec::new();
/// claviger_core::push_wiping(&mut secrets, String::from("an item that would wipe itself"));
/// assert_eq!(secrets.len(), 1);
/// ```
pub fn push_wiping<T: Clone>(items: &mut Vec<T>, item: T) {
    if items.len() == items.capacity() {
        let mut larger = Vec::with_capacity(items.len().saturating_mul(2).max(4));
        larger.extend(items.iter().cloned());
        *items = larger;
    }
    items.push(item);
}
