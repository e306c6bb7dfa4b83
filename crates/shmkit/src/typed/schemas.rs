//! The layouts of the collections, made at run time. `docs/FORMAT.md` has the tables; a test compares
//! each with what the compiler makes of the type.

use crate::layout::{Role, Scalar, Schema, SchemaError};

type Result<T> = std::result::Result<T, SchemaError>;

const U32: Schema = Schema::scalar(Scalar::U32);

impl Schema {
    /// An [`ArrayVec`](crate::typed::ArrayVec) of up to `capacity` elements.
    ///
    /// # Errors
    /// If it would be too large, or nested too deep.
    pub fn array_vec(element: Self, capacity: u32) -> Result<Self> {
        let items = items(element, capacity)?;
        // The items begin at byte 8 at least, whatever they are.
        let fields = [("len", U32), ("", U32), ("items", items)];
        Self::ours(Role::List, "ArrayVec", 8, fields)
    }

    /// An [`ArrayString`](crate::typed::ArrayString) of up to `capacity` bytes.
    ///
    /// # Errors
    /// If it would be too large.
    pub fn array_string(capacity: u32) -> Result<Self> {
        let bytes = items(Self::scalar(Scalar::U8), capacity)?;
        Self::ours(
            Role::Text,
            "ArrayString",
            4,
            [("len", U32), ("bytes", bytes)],
        )
    }

    /// A [`RingBuffer`](crate::typed::RingBuffer) of up to `capacity` elements.
    ///
    /// # Errors
    /// If it would be too large, or nested too deep.
    pub fn ring_buffer(element: Self, capacity: u32) -> Result<Self> {
        let items = items(element, capacity)?;
        let fields = [("head", U32), ("len", U32), ("items", items)];
        Self::ours(Role::Ring, "RingBuffer", 8, fields)
    }
}

fn items(element: Schema, capacity: u32) -> Result<Schema> {
    Schema::array(element, capacity.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::ShmSafe;
    use crate::sync::{Mutex, OnceCell, RecursiveMutex, RwLock};
    use crate::typed::{ArrayString, ArrayVec, RingBuffer};

    fn is_the_compilers<T: ShmSafe>(made: Result<Schema>) {
        let made = made.unwrap();
        assert_eq!(made.text(), T::LAYOUT.text());
        assert_eq!(made.hash(), T::LAYOUT_HASH);
        assert_eq!(made, Schema::of::<T>());
    }

    macro_rules! around {
        ($($data:ty),*) => {$(
            let data = || Schema::of::<$data>();
            is_the_compilers::<Mutex<$data>>(Schema::mutex(data()));
            is_the_compilers::<RecursiveMutex<$data>>(Schema::recursive_mutex(data()));
            is_the_compilers::<RwLock<$data>>(Schema::rw_lock(data()));
            is_the_compilers::<OnceCell<$data>>(Schema::once_cell(data()));
            is_the_compilers::<ArrayVec<$data, 3>>(Schema::array_vec(data(), 3));
            is_the_compilers::<RingBuffer<$data, 5>>(Schema::ring_buffer(data(), 5));
        )*};
    }

    #[derive(ShmSafe, Clone, Copy)]
    #[repr(C, align(64))]
    struct Strict([u8; 64]);

    #[test]
    fn ours_are_made_as_the_compiler_makes_them() {
        around!((), u8, u16, [u8; 3], u32, f64, [u64; 9], Strict);
        is_the_compilers::<ArrayString<0>>(Schema::array_string(0));
        is_the_compilers::<ArrayString<5>>(Schema::array_string(5));
        is_the_compilers::<Mutex<ArrayString<28>>>(Schema::mutex(Schema::of::<ArrayString<28>>()));
    }

    #[test]
    fn what_no_memory_has_room_for_is_refused() {
        let most = || Schema::array(Schema::scalar(Scalar::U8), u64::MAX).unwrap();
        for made in [
            Schema::mutex(most()),
            Schema::rw_lock(most()),
            Schema::array(most(), 2),
            Schema::array_vec(most(), 2),
            Schema::structure("S", 1, [("a", most()), ("b", Schema::scalar(Scalar::U64))]),
        ] {
            let error = made.unwrap_err().to_string();
            assert!(error.contains("larger than any memory"), "{error}");
        }
    }
}
