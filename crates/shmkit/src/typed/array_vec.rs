//! A list of up to `N` elements that lies where it stands.
#![expect(unsafe_code, reason = "a list may lie in shared memory")]

use std::hash::{Hash, Hasher};
use std::mem::{MaybeUninit, offset_of};
use std::ops::{Deref, DerefMut};
use std::{array, fmt, iter, slice};

use super::Full;
use crate::layout::{Field, Layout, Role, ShmSafe};

/// A list of up to `N` elements, with the elements in it: a `Vec` for shared memory.
///
/// It has the same bytes in each process: the length as a `u32` at byte 0, the elements from byte 8
/// on, or from their alignment if that is more. Bytes of zero are an empty list.
///
/// Whatever other processes do to the length, nothing outside of the list is ever touched: a length
/// over `N` counts as `N`.
///
/// ```
/// use shmkit::typed::ArrayVec;
///
/// let mut peers = ArrayVec::<u32, 4>::new();
/// peers.push(7);
/// peers.try_extend_from_slice(&[8, 9]).expect("room for two more");
/// assert_eq!(peers, [7, 8, 9]);
/// assert_eq!(peers.iter().sum::<u32>(), 24);
/// peers.push(10);
/// assert_eq!(peers.try_push(11).unwrap_err().0, 11);
/// ```
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct ArrayVec<T: ShmSafe + Copy, const N: usize> {
    len: u32,
    _reserved: u32,
    /// All of them are values, also those that do not count: `T: ShmSafe` may be of zeros.
    items: [T; N],
}

// SAFETY: `repr(C)`, and aligned to 8 bytes, so that `items` is at byte 8 also on processors that
// align a `u64` to 4; without `Drop`, as `T: Copy`. A torn length is clamped, and torn elements are
// elements.
#[diagnostic::do_not_recommend]
unsafe impl<T: ShmSafe + Copy, const N: usize> ShmSafe for ArrayVec<T, N> {
    const LAYOUT: &'static Layout = &Layout::composite(
        Role::List,
        "ArrayVec",
        1,
        size_of::<Self>() as u64,
        super::align_of_items::<T>(),
        &[
            Field::new("len", offset_of!(Self, len), u32::LAYOUT),
            Field::new("items", offset_of!(Self, items), <[T; N]>::LAYOUT),
        ],
    );
}

// As `docs/FORMAT.md` says, on each processor.
const _: () = {
    Layout::assert_describes::<ArrayVec<u64, 3>>();
    assert!(offset_of!(ArrayVec<u8, 1>, items) == 8 && size_of::<ArrayVec<u8, 1>>() == 16);
    assert!(offset_of!(ArrayVec<u64, 3>, items) == 8 && size_of::<ArrayVec<u64, 3>>() == 32);
    assert!(size_of::<ArrayVec<u64, 0>>() == 8);
};

impl<T: ShmSafe + Copy, const N: usize> ArrayVec<T, N> {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N <= u32::MAX as usize, "the length is a `u32`") };
        Self {
            len: 0,
            _reserved: 0,
            // SAFETY: bytes of zero are a value of each type that is `ShmSafe`.
            items: unsafe { MaybeUninit::zeroed().assume_init() },
        }
    }

    /// How many elements there may be: `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// How many elements there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        let len = self.len as usize;
        if len < N { len } else { N }
    }

    /// Is there none?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no room for one more?
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.len() == N
    }

    /// How many more there may be.
    #[must_use]
    pub const fn remaining_capacity(&self) -> usize {
        N - self.len()
    }

    /// The elements.
    #[must_use]
    pub const fn as_slice(&self) -> &[T] {
        self.items.split_at(self.len()).0
    }

    /// The elements.
    #[must_use]
    pub const fn as_mut_slice(&mut self) -> &mut [T] {
        let len = self.len();
        self.items.split_at_mut(len).0
    }

    /// Adds an element at the end.
    ///
    /// # Panics
    /// If there is no room; see [`try_push`](Self::try_push).
    #[track_caller]
    pub fn push(&mut self, value: T) {
        self.insert(self.len(), value);
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    /// If there is no room; the error has the element.
    pub fn try_push(&mut self, value: T) -> Result<(), Full<T>> {
        self.try_insert(self.len(), value)
    }

    /// Adds an element at `index`; those from there on move back.
    ///
    /// # Panics
    /// If there is no room, or `index` is past the end.
    #[track_caller]
    pub fn insert(&mut self, index: usize, value: T) {
        if self.try_insert(index, value).is_err() {
            panic!("an `ArrayVec` of {N} elements is full");
        }
    }

    /// Adds an element at `index`; those from there on move back.
    ///
    /// # Errors
    /// If there is no room; the error has the element.
    ///
    /// # Panics
    /// If `index` is past the end.
    #[track_caller]
    pub fn try_insert(&mut self, index: usize, value: T) -> Result<(), Full<T>> {
        let len = self.len();
        assert!(index <= len, "element {index} of {len} cannot be");
        if len == N {
            return Err(Full(value));
        }
        self.items.copy_within(index..len, index + 1);
        self.items[index] = value;
        self.set_len(len + 1);
        Ok(())
    }

    /// Adds elements at the end.
    ///
    /// # Errors
    /// If there is no room for all of them; then none is added.
    pub fn try_extend_from_slice<'a>(&mut self, values: &'a [T]) -> Result<(), Full<&'a [T]>> {
        let len = self.len();
        let Some(room) = self.items[len..].get_mut(..values.len()) else {
            return Err(Full(values));
        };
        room.copy_from_slice(values);
        self.set_len(len + values.len());
        Ok(())
    }

    /// Takes the last element away.
    pub fn pop(&mut self) -> Option<T> {
        let last = *self.as_slice().last()?;
        self.set_len(self.len() - 1);
        Some(last)
    }

    /// Takes the element at `index` away; those behind it move up.
    ///
    /// # Panics
    /// If there is no such element.
    #[track_caller]
    pub fn remove(&mut self, index: usize) -> T {
        let value = self.as_slice()[index];
        let len = self.len();
        self.items.copy_within(index + 1..len, index);
        self.set_len(len - 1);
        value
    }

    /// Takes the element at `index` away, and puts the last one there.
    ///
    /// # Panics
    /// If there is no such element.
    #[track_caller]
    pub fn swap_remove(&mut self, index: usize) -> T {
        let value = self.as_slice()[index];
        let len = self.len();
        self.items[index] = self.items[len - 1];
        self.set_len(len - 1);
        value
    }

    /// Keeps the elements for which `keep` says so, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let mut kept = 0;
        for i in 0..self.len() {
            // A panic in `keep` leaves the list as long as it was.
            if keep(&mut self.items[i]) {
                self.items[kept] = self.items[i];
                kept += 1;
            }
        }
        self.set_len(kept);
    }

    /// Keeps the first `len` elements; does nothing if there are not more.
    pub fn truncate(&mut self, len: usize) {
        self.set_len(len.min(self.len()));
    }

    /// Takes all elements away.
    pub fn clear(&mut self) {
        self.set_len(0);
    }

    fn set_len(&mut self, len: usize) {
        debug_assert!(len <= N);
        self.len = len as u32;
    }
}

impl<T: ShmSafe + Copy, const N: usize> Default for ArrayVec<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ShmSafe + Copy, const N: usize> Deref for ArrayVec<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: ShmSafe + Copy, const N: usize> DerefMut for ArrayVec<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.as_mut_slice()
    }
}

impl<T: ShmSafe + Copy, const N: usize> AsRef<[T]> for ArrayVec<T, N> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T: ShmSafe + Copy, const N: usize> From<[T; N]> for ArrayVec<T, N> {
    fn from(items: [T; N]) -> Self {
        let mut list = Self::new();
        list.items = items;
        list.set_len(N);
        list
    }
}

impl<'a, T: ShmSafe + Copy, const N: usize> TryFrom<&'a [T]> for ArrayVec<T, N> {
    type Error = Full<&'a [T]>;

    fn try_from(values: &'a [T]) -> Result<Self, Full<&'a [T]>> {
        let mut list = Self::new();
        list.try_extend_from_slice(values)?;
        Ok(list)
    }
}

/// Adds elements at the end, and panics if there is no room.
impl<T: ShmSafe + Copy, const N: usize> Extend<T> for ArrayVec<T, N> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

/// Panics if there are more than `N`.
impl<T: ShmSafe + Copy, const N: usize> FromIterator<T> for ArrayVec<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut list = Self::new();
        list.extend(values);
        list
    }
}

impl<T: ShmSafe + Copy, const N: usize> IntoIterator for ArrayVec<T, N> {
    type Item = T;
    type IntoIter = iter::Take<array::IntoIter<T, N>>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter().take(self.len())
    }
}

impl<'a, T: ShmSafe + Copy, const N: usize> IntoIterator for &'a ArrayVec<T, N> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: ShmSafe + Copy, const N: usize> IntoIterator for &'a mut ArrayVec<T, N> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: ShmSafe + Copy + fmt::Debug, const N: usize> fmt::Debug for ArrayVec<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// Equal to whatever has equal elements.
impl<T: ShmSafe + Copy + PartialEq, S: AsRef<[T]> + ?Sized, const N: usize> PartialEq<S>
    for ArrayVec<T, N>
{
    fn eq(&self, other: &S) -> bool {
        self.as_slice() == other.as_ref()
    }
}

impl<T: ShmSafe + Copy + Eq, const N: usize> Eq for ArrayVec<T, N> {}

impl<T: ShmSafe + Copy + PartialOrd, const N: usize> PartialOrd for ArrayVec<T, N> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.as_slice().partial_cmp(other)
    }
}

impl<T: ShmSafe + Copy + Ord, const N: usize> Ord for ArrayVec<T, N> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_slice().cmp(other)
    }
}

impl<T: ShmSafe + Copy + Hash, const N: usize> Hash for ArrayVec<T, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, ShmSafe)]
    #[repr(C, align(16))]
    struct Wide([u32; 4]);

    const _: () = {
        Layout::assert_describes::<ArrayVec<Wide, 2>>();
        assert!(offset_of!(ArrayVec<Wide, 2>, items) == 16 && size_of::<ArrayVec<Wide, 2>>() == 48);
        assert!(<ArrayVec<Wide, 2>>::LAYOUT.align() == 16);
    };

    #[derive(Debug, Clone)]
    enum Step {
        Push(u16),
        Insert(usize, u16),
        Extend(Vec<u16>),
        Pop,
        Remove(usize),
        SwapRemove(usize),
        Truncate(usize),
        KeepOdd,
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => any::<u16>().prop_map(Step::Push),
            3 => (any::<usize>(), any::<u16>()).prop_map(|(i, value)| Step::Insert(i, value)),
            2 => vec(any::<u16>(), 0..4).prop_map(Step::Extend),
            2 => Just(Step::Pop),
            2 => any::<usize>().prop_map(Step::Remove),
            1 => any::<usize>().prop_map(Step::SwapRemove),
            1 => (0_usize..8).prop_map(Step::Truncate),
            1 => Just(Step::KeepOdd),
            1 => Just(Step::Clear),
        ]
    }

    const CAPACITY: usize = 6;

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            cases: if cfg!(miri) { 8 } else { 256 },
            ..ProptestConfig::default()
        })]

        #[test]
        fn does_what_a_vec_does_until_it_is_full(steps in vec(step(), 0..60)) {
            let (mut list, mut model) = (ArrayVec::<u16, CAPACITY>::new(), Vec::new());
            for step in steps {
                let room = CAPACITY - model.len();
                match step {
                    Step::Push(value) => {
                        let fits = list.try_push(value);
                        prop_assert_eq!(fits, if room > 0 { Ok(()) } else { Err(Full(value)) });
                        model.extend((room > 0).then_some(value));
                    }
                    Step::Insert(i, value) => {
                        let i = i % (model.len() + 1);
                        let fits = list.try_insert(i, value);
                        prop_assert_eq!(fits, if room > 0 { Ok(()) } else { Err(Full(value)) });
                        if room > 0 {
                            model.insert(i, value);
                        }
                    }
                    Step::Extend(values) => {
                        let fits = list.try_extend_from_slice(&values).is_ok();
                        prop_assert_eq!(fits, values.len() <= room);
                        if fits {
                            model.extend(values);
                        }
                    }
                    Step::Pop => prop_assert_eq!(list.pop(), model.pop()),
                    Step::Remove(_) | Step::SwapRemove(_) if model.is_empty() => {}
                    Step::Remove(i) => {
                        let i = i % model.len();
                        prop_assert_eq!(list.remove(i), model.remove(i));
                    }
                    Step::SwapRemove(i) => {
                        let i = i % model.len();
                        prop_assert_eq!(list.swap_remove(i), model.swap_remove(i));
                    }
                    Step::Truncate(len) => {
                        list.truncate(len);
                        model.truncate(len);
                    }
                    Step::KeepOdd => {
                        list.retain(|value| *value % 2 == 1);
                        model.retain(|value| *value % 2 == 1);
                    }
                    Step::Clear => {
                        list.clear();
                        model.clear();
                    }
                }
                prop_assert_eq!(&list, &model);
                prop_assert_eq!(list.len(), model.len());
                prop_assert_eq!(list.remaining_capacity(), CAPACITY - model.len());
                prop_assert_eq!(list.is_full(), model.len() == CAPACITY);
                prop_assert_eq!(list.into_iter().collect::<Vec<_>>(), model.clone());
            }
        }
    }

    #[test]
    fn a_damaged_length_counts_as_full() {
        for len in [4, 5, u32::MAX] {
            let mut list = ArrayVec::from([1_u8, 2, 3, 4]);
            list.len = len;
            assert_eq!(list, [1, 2, 3, 4]);
            assert_eq!(list.try_push(5), Err(Full(5)));
            assert_eq!(list.remove(0), 1);
            assert_eq!(list, [2, 3, 4]);
            list.len = len;
            assert_eq!(list.pop(), Some(4), "what was there last");
            list.len = len;
            list.retain(|value| *value != 3);
            assert_eq!(list, [2, 4, 4]);
        }
    }

    #[test]
    fn zeros_are_an_empty_list() {
        // SAFETY: it is `ShmSafe`.
        let list: ArrayVec<bool, 9> = unsafe { MaybeUninit::zeroed().assume_init() };
        assert_eq!(list, []);
        assert_eq!(list, ArrayVec::<bool, 2>::default());
    }

    #[test]
    fn lists_are_elements_of_lists() {
        let mut grid = ArrayVec::<ArrayVec<u8, 2>, 2>::new();
        grid.push([1, 2].into());
        grid.push([3].into_iter().collect());
        assert_eq!(format!("{grid:?}"), "[[1, 2], [3]]");
        grid[1].push(4);
        grid.iter_mut().flatten().for_each(|value| *value *= 2);
        assert_eq!(grid[1], [6, 8]);
        assert!(grid[0] < grid[1]);
    }

    #[test]
    #[should_panic(expected = "an `ArrayVec` of 2 elements is full")]
    fn one_too_many_panics() {
        let _list: ArrayVec<u8, 2> = (0..3).collect();
    }

    #[test]
    #[should_panic(expected = "element 2 of 1 cannot be")]
    fn an_element_past_the_end_panics() {
        let mut list: ArrayVec<u8, 4> = [1].into_iter().collect();
        list.insert(2, 0);
    }
}
