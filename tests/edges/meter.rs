//! Counts what this thread has allocated, at any moment.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Meter;

#[global_allocator]
static METER: Meter = Meter;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// What `work` returns, and the most bytes that it held at once.
pub(crate) fn most_held<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.get();
    MOST.set(before);
    let result = work();
    let most = MOST.get() - before;
    (result, most.try_into().expect("not less than before"))
}

fn count(bytes: isize) {
    NOW.set(NOW.get() + bytes);
    MOST.set(MOST.get().max(NOW.get()));
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).expect("no allocation is larger (`Layout`)")
}

// SAFETY: every call goes to the system's allocator as it came; the counters are of this thread, and allocate nothing.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller keeps `alloc`'s contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: the caller keeps `dealloc`'s contract, and whatever was allocated here came from the system.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // For a moment there may be both.
        count(signed(size));
        count(-signed(layout.size()));
        // SAFETY: the caller keeps `realloc`'s contract, and whatever was allocated here came from the system.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[test]
fn the_meter_counts_what_is_held_at_once() {
    let (_, most) = most_held(|| {
        drop(vec![0_u8; 3000]);
        drop(vec![0_u8; 5000]);
        vec![0_u8; 4000].len()
    });
    assert_eq!(most, 5000);
}
