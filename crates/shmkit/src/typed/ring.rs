//! A queue of up to `N` elements that lies where it stands.
#![expect(unsafe_code, reason = "a queue may lie in shared memory")]

use std::iter::Chain;
use std::mem::{MaybeUninit, offset_of};
use std::ops::{Index, IndexMut};
use std::{fmt, slice};

use super::Full;
use crate::layout::{Field, Layout, Role, ShmSafe};

/// A queue of up to `N` elements, with the elements in it: a `VecDeque` for shared memory.
///
/// For use by one at a time, in a lock. It has the same bytes in each process: the place of the
/// first element as a `u32` at byte 0, how many there are as a `u32` at byte 4, and the places from
/// byte 8 on, or from the elements' alignment if that is more. Bytes of zero are an empty queue.
///
/// Whatever other processes do to these numbers, nothing outside of the queue is ever touched: more
/// than `N` elements count as `N`, and a first place past the end counts from the beginning again.
///
/// ```
/// use shmkit::typed::RingBuffer;
///
/// let mut last = RingBuffer::<f32, 3>::new();
/// for reading in [1.0, 2.0, 3.0, 4.0] {
///     last.push_overwrite(reading); // the oldest goes when there is no room
/// }
/// assert_eq!(last, [2.0, 3.0, 4.0]);
/// assert_eq!(last.pop_front(), Some(2.0));
/// assert_eq!(last.iter().sum::<f32>(), 7.0);
/// ```
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct RingBuffer<T: ShmSafe + Copy, const N: usize> {
    head: u32,
    len: u32,
    /// All of them are values, also those that do not count: `T: ShmSafe` may be of zeros.
    items: [T; N],
}

// SAFETY: `repr(C)`, and aligned to 8 bytes, so that `items` is at byte 8 also on processors that
// align a `u64` to 4; without `Drop`, as `T: Copy`. Torn numbers are clamped, and torn elements are
// elements.
#[diagnostic::do_not_recommend]
unsafe impl<T: ShmSafe + Copy, const N: usize> ShmSafe for RingBuffer<T, N> {
    const LAYOUT: &'static Layout = &Layout::composite(
        Role::Ring,
        "RingBuffer",
        1,
        size_of::<Self>() as u64,
        super::align_of_items::<T>(),
        &[
            Field::new("head", offset_of!(Self, head), u32::LAYOUT),
            Field::new("len", offset_of!(Self, len), u32::LAYOUT),
            Field::new("items", offset_of!(Self, items), <[T; N]>::LAYOUT),
        ],
    );
}

// As `docs/FORMAT.md` says, on each processor.
const _: () = {
    Layout::assert_describes::<RingBuffer<u64, 3>>();
    assert!(offset_of!(RingBuffer<u8, 1>, items) == 8 && size_of::<RingBuffer<u8, 1>>() == 16);
    assert!(offset_of!(RingBuffer<u64, 3>, items) == 8 && size_of::<RingBuffer<u64, 3>>() == 32);
    assert!(size_of::<RingBuffer<u64, 0>>() == 8);
};

impl<T: ShmSafe + Copy, const N: usize> RingBuffer<T, N> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N <= u32::MAX as usize, "the length is a `u32`") };
        Self {
            head: 0,
            len: 0,
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

    /// Adds an element at the end.
    ///
    /// # Panics
    /// If there is no room; see [`try_push_back`](Self::try_push_back) and
    /// [`push_overwrite`](Self::push_overwrite).
    #[track_caller]
    pub fn push_back(&mut self, value: T) {
        if self.try_push_back(value).is_err() {
            panic!("a `RingBuffer` of {N} elements is full");
        }
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    /// If there is no room; the error has the element.
    pub fn try_push_back(&mut self, value: T) -> Result<(), Full<T>> {
        let len = self.len();
        if len == N {
            return Err(Full(value));
        }
        let place = self.place(len);
        self.items[place] = value;
        self.len = (len + 1) as u32;
        Ok(())
    }

    /// Adds an element at the end; if there is no room, the first one goes, and is returned. With
    /// room for none at all it is the new one.
    pub fn push_overwrite(&mut self, value: T) -> Option<T> {
        match self.try_push_back(value) {
            Ok(()) => None,
            Err(Full(value)) => {
                let Some(first) = self.pop_front() else {
                    return Some(value);
                };
                self.push_back(value);
                Some(first)
            }
        }
    }

    /// Takes the first element away.
    pub fn pop_front(&mut self) -> Option<T> {
        let first = *self.front()?;
        let len = self.len();
        self.head = self.place(1) as u32;
        self.len = (len - 1) as u32;
        Some(first)
    }

    /// Takes the last element away.
    pub fn pop_back(&mut self) -> Option<T> {
        let last = *self.back()?;
        self.len = (self.len() - 1) as u32;
        Some(last)
    }

    /// Takes all elements away.
    pub fn clear(&mut self) {
        self.head = 0;
        self.len = 0;
    }

    /// The first element.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.get(0)
    }

    /// The last element.
    #[must_use]
    pub fn back(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The element at `index`, counted from the first one.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        (index < self.len()).then(|| &self.items[self.place(index)])
    }

    /// The element at `index`, counted from the first one.
    #[must_use]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let place = self.place(index);
        (index < self.len()).then(|| &mut self.items[place])
    }

    /// The elements: those of the first slice, then those of the second.
    #[must_use]
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let (head, front, back) = self.extents();
        (&self.items[head..][..front], &self.items[..back])
    }

    /// The elements: those of the first slice, then those of the second.
    #[must_use]
    pub fn as_mut_slices(&mut self) -> (&mut [T], &mut [T]) {
        let (head, front, back) = self.extents();
        let (before, from_head) = self.items.split_at_mut(head);
        (&mut from_head[..front], &mut before[..back])
    }

    /// From the first element to the last.
    pub fn iter(&self) -> Chain<slice::Iter<'_, T>, slice::Iter<'_, T>> {
        let (front, back) = self.as_slices();
        front.iter().chain(back)
    }

    /// From the first element to the last.
    pub fn iter_mut(&mut self) -> Chain<slice::IterMut<'_, T>, slice::IterMut<'_, T>> {
        let (front, back) = self.as_mut_slices();
        front.iter_mut().chain(back)
    }

    /// Where the first element is, how many follow up to the end, and how many at the beginning.
    fn extents(&self) -> (usize, usize, usize) {
        let (head, len) = (self.place(0), self.len());
        let front = len.min(N - head);
        (head, front, len - front)
    }

    /// Where the element at `index` is, or would be: within `items`, unless that is empty.
    fn place(&self, index: usize) -> usize {
        let places = N.max(1);
        let head = self.head as usize % places;
        // Without a sum that could be too large for 32 bits.
        let up_to_end = places - head;
        let index = index % places;
        if index < up_to_end {
            head + index
        } else {
            index - up_to_end
        }
    }
}

impl<T: ShmSafe + Copy, const N: usize> Default for RingBuffer<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ShmSafe + Copy, const N: usize> Index<usize> for RingBuffer<T, N> {
    type Output = T;

    #[track_caller]
    fn index(&self, index: usize) -> &T {
        let len = self.len();
        match self.get(index) {
            Some(value) => value,
            None => panic!("there is no element {index} among {len}"),
        }
    }
}

impl<T: ShmSafe + Copy, const N: usize> IndexMut<usize> for RingBuffer<T, N> {
    #[track_caller]
    fn index_mut(&mut self, index: usize) -> &mut T {
        let len = self.len();
        match self.get_mut(index) {
            Some(value) => value,
            None => panic!("there is no element {index} among {len}"),
        }
    }
}

impl<'a, T: ShmSafe + Copy, const N: usize> IntoIterator for &'a RingBuffer<T, N> {
    type Item = &'a T;
    type IntoIter = Chain<slice::Iter<'a, T>, slice::Iter<'a, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: ShmSafe + Copy, const N: usize> IntoIterator for &'a mut RingBuffer<T, N> {
    type Item = &'a mut T;
    type IntoIter = Chain<slice::IterMut<'a, T>, slice::IterMut<'a, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// Adds elements at the end, and panics if there is no room.
impl<T: ShmSafe + Copy, const N: usize> Extend<T> for RingBuffer<T, N> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push_back(value));
    }
}

/// Panics if there are more than `N`.
impl<T: ShmSafe + Copy, const N: usize> FromIterator<T> for RingBuffer<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut queue = Self::new();
        queue.extend(values);
        queue
    }
}

impl<T: ShmSafe + Copy + fmt::Debug, const N: usize> fmt::Debug for RingBuffer<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<T: ShmSafe + Copy + PartialEq, const N: usize, const M: usize> PartialEq<RingBuffer<T, M>>
    for RingBuffer<T, N>
{
    fn eq(&self, other: &RingBuffer<T, M>) -> bool {
        self.iter().eq(other)
    }
}

impl<T: ShmSafe + Copy + PartialEq, const N: usize, const M: usize> PartialEq<[T; M]>
    for RingBuffer<T, N>
{
    fn eq(&self, other: &[T; M]) -> bool {
        self.iter().eq(other)
    }
}

impl<T: ShmSafe + Copy + Eq, const N: usize> Eq for RingBuffer<T, N> {}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, ShmSafe)]
    #[repr(C, align(64))]
    struct Line([u64; 8]);

    const _: () = {
        Layout::assert_describes::<RingBuffer<Line, 2>>();
        assert!(offset_of!(RingBuffer<Line, 2>, items) == 64);
        assert!(size_of::<RingBuffer<Line, 2>>() == 192);
        assert!(<RingBuffer<Line, 2>>::LAYOUT.align() == 64);
    };

    #[derive(Debug, Clone)]
    enum Step {
        Push(u16),
        Overwrite(u16),
        PopFront,
        PopBack,
        Change(usize, u16),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => any::<u16>().prop_map(Step::Push),
            3 => any::<u16>().prop_map(Step::Overwrite),
            3 => Just(Step::PopFront),
            1 => Just(Step::PopBack),
            1 => (0_usize..8, any::<u16>()).prop_map(|(i, value)| Step::Change(i, value)),
            1 => Just(Step::Clear),
        ]
    }

    const CAPACITY: usize = 5;

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            cases: if cfg!(miri) { 8 } else { 256 },
            ..ProptestConfig::default()
        })]

        #[test]
        fn does_what_a_deque_does_until_it_is_full(steps in vec(step(), 0..80)) {
            let (mut queue, mut model) = (RingBuffer::<u16, CAPACITY>::new(), VecDeque::new());
            for step in steps {
                let full = model.len() == CAPACITY;
                match step {
                    Step::Push(value) => {
                        let pushed = queue.try_push_back(value);
                        prop_assert_eq!(pushed, if full { Err(Full(value)) } else { Ok(()) });
                        model.extend((!full).then_some(value));
                    }
                    Step::Overwrite(value) => {
                        let gone = if full { model.pop_front() } else { None };
                        prop_assert_eq!(queue.push_overwrite(value), gone);
                        model.push_back(value);
                    }
                    Step::PopFront => prop_assert_eq!(queue.pop_front(), model.pop_front()),
                    Step::PopBack => prop_assert_eq!(queue.pop_back(), model.pop_back()),
                    Step::Change(i, value) => {
                        prop_assert_eq!(queue.get(i), model.get(i));
                        if let Some(model) = model.get_mut(i) {
                            *model = value;
                            queue[i] = value;
                        }
                    }
                    Step::Clear => {
                        queue.clear();
                        model.clear();
                    }
                }
                prop_assert!(queue.iter().eq(&model), "{queue:?} {model:?}");
                prop_assert!(queue.iter_mut().eq(&mut model));
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.back(), model.back());
                prop_assert_eq!(queue.is_full(), model.len() == CAPACITY);
            }
        }

        #[test]
        fn damaged_numbers_lead_nowhere(head in any::<u32>(), len in any::<u32>(), value in any::<u8>()) {
            let mut queue = RingBuffer { head, len, items: [1, 2, 3] };
            let count = queue.iter().count();
            prop_assert_eq!(count, queue.len());
            prop_assert!(count <= 3);
            queue.push_overwrite(value);
            prop_assert_eq!(queue.back(), Some(&value));
            prop_assert_eq!(queue.len(), (count + 1).min(3));
            while queue.pop_front().is_some() {}
            prop_assert_eq!(queue, []);
        }
    }

    #[test]
    fn a_queue_without_room_gives_everything_back() {
        let mut queue = RingBuffer::<u8, 0>::new();
        assert_eq!(queue.try_push_back(1), Err(Full(1)));
        assert_eq!(queue.push_overwrite(1), Some(1));
        assert_eq!(queue.pop_front(), None);
        assert_eq!(queue.as_slices(), (&[][..], &[][..]));
    }

    #[test]
    fn zeros_are_an_empty_queue() {
        // SAFETY: it is `ShmSafe`.
        let queue: RingBuffer<bool, 9> = unsafe { MaybeUninit::zeroed().assume_init() };
        assert_eq!(queue, RingBuffer::<bool, 2>::default());
        assert_eq!(format!("{queue:?}"), "[]");
    }

    #[test]
    #[should_panic(expected = "a `RingBuffer` of 2 elements is full")]
    fn one_too_many_panics() {
        let _queue: RingBuffer<u8, 2> = (0..3).collect();
    }

    #[test]
    #[should_panic(expected = "there is no element 1 among 1")]
    fn an_element_past_the_end_panics() {
        let queue: RingBuffer<u8, 2> = [7].into_iter().collect();
        let _ = queue[1];
    }
}
