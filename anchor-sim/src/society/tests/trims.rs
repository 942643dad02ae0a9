//! A club of which a part was trimmed.

use super::*;

/// A club that was asked to be trimmed below 4, and what is left of it.
fn scene() -> (Scene, Vec<Event>) {
    let scene = Scene::new(HistoryAccess::All);
    let trimming = scene.society.trims(&scene.room, Offset(4));
    scene.society.trimmed(&scene.room, &trimming);
    scene.wait();
    let left = scene.log().split_off(3);
    (scene, left)
}

#[test]
fn what_is_left_of_a_trimmed_room_is_right() {
    let (scene, left) = scene();
    scene.society.told(&scene.room, GapReason::Trimmed);
    assert_eq!(scene.verdict_of(left), [""; 0]);
}

#[test]
fn a_gap_where_nobody_trimmed_is_found() {
    let scene = Scene::new(HistoryAccess::All);
    scene.society.told(&scene.room, GapReason::Trimmed);
    assert_found(&scene.verdict(), "is said to be trimmed, and nobody asked for that");
}

#[test]
fn what_was_trimmed_too_far_is_found() {
    let (scene, left) = scene();
    let broken = scene.verdict_of(left[1..].to_vec());
    assert!(broken.iter().any(|line| line.contains("club-0 begins at 5")), "{broken:?}");
    assert!(broken.iter().any(|line| line.contains("was acked at 4")), "{broken:?}");
}

#[test]
fn who_was_removed_before_what_is_kept_lags_behind_nothing() {
    let scene = Scene::new(HistoryAccess::All);
    scene.bob_takes(1..=2);
    assert!(scene.society.who_lags(BOB, scene.bob.user(), &scene.room).is_some());
    let _trimming = scene.society.trims(&scene.room, Offset(7));
    assert_eq!(scene.society.who_lags(BOB, scene.bob.user(), &scene.room), None);
}
