//! Several processes change one layout at the same time.

use std::thread;

use crate::local_images::world::World;

#[test]
fn no_name_is_lost_and_all_stays_whole() {
    let world = World::with_images();
    thread::scope(|scope| {
        for half in ["a", "b", "c"] {
            let world = &world;
            scope.spawn(move || {
                for number in 0..8 {
                    let name = format!("many/{half}:{number}");
                    world.trust(&["tag", "app:1", &name]).success();
                    if number % 2 == 1 {
                        let before = format!("many/{half}:{}", number - 1);
                        world.trust(&["rmi", &before]).success();
                    }
                }
            });
        }
    });
    let listed = world.names();
    let left = listed.iter().filter(|name| name.starts_with("many/")).count();
    assert_eq!(left, 12, "{listed:?}");
    world.layout().assert_whole();
}

#[test]
fn who_removes_the_last_name_and_who_gives_one_agree() {
    for _ in 0..5 {
        let world = World::with_images();
        let id = world.id("app:1");
        let (removed, tagged) = thread::scope(|scope| {
            let removing = scope.spawn(|| world.trust(&["rmi", "app:1"]).success());
            let tagging = scope.spawn(|| world.trust(&["tag", "app:1", "other:new"]));
            (removing.join().unwrap(), tagging.join().unwrap())
        });
        world.layout().assert_whole();
        let is_there = world.names().contains(&"other:new".to_owned());
        assert_eq!(tagged.code, if is_there { 0 } else { 8 }, "{tagged:?}");
        assert_eq!(removed.stdout.contains(&id), !is_there, "{}", removed.stdout);
    }
}
