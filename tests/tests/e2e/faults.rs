//! The fault loops at modest counts, and the list of failpoints.

use e2e::faults::{Counts, LOOPS, Rig, Start, points, points_with_cache};
use std::{collections::BTreeSet, fs, path::Path};

#[track_caller]
fn survives(number: u32) {
    let (_, run) = LOOPS
        .iter()
        .find(|(found, _)| *found == number)
        .expect("the class has a loop");
    let row = run(&Counts::MODEST);
    assert!(row.tried > 0 && row.survived == row.tried, "{row:#?}");
}

macro_rules! classes {
    ($($name:ident $number:literal;)+) => {
        $(#[test] fn $name() { survives($number); })+

        #[test]
        fn every_loop_has_a_test() {
            assert_eq!([$($number),+].as_slice(), LOOPS.iter().map(|(number, _)| *number).collect::<Vec<u32>>());
        }
    };
}

classes! {
    killed_at_every_failpoint 1;
    killed_at_random_times 2;
    every_call_fails_with_eio 3;
    the_disk_is_full 4;
    leftovers_of_a_crash 5;
    inits_and_agents_on_one_root 6;
    readers_during_switches 7;
    connections_are_reset 8;
    the_store_trickles_or_stalls 9;
    the_store_throttles 10;
    an_object_is_replaced_while_it_is_read 11;
    blobs_are_damaged 12;
    credentials_expire 13;
    the_clock_is_wrong 14;
    an_old_release_is_replayed 15;
    a_release_or_root_has_expired 16;
    too_few_keys_signed 17;
    the_root_chain_is_broken 18;
    another_channels_release 20;
    hostile_tarballs 21;
    release_events_are_lost_and_mixed_up 23;
    a_release_fails_its_probe_and_the_agent_is_killed 24;
    the_pods_directories_are_removed 26;
    every_failpoint_with_a_node_cache 31;
    a_node_cache_is_damaged 32;
    the_disk_of_a_node_cache_is_full 33;
    two_and_twenty_pods_start_on_one_node_cache 34;
    the_pod_that_downloads_is_killed_while_nineteen_wait 35;
    the_store_is_down_and_the_node_cache_is_not 36;
    the_agent_is_killed_at_its_failpoints 37;
    the_disk_rots_under_a_tree 38;
    power_is_lost_in_a_switch 39;
    gc_beside_publishers 41;
    the_surroundings_are_away_while_a_release_arrives 42;
    hostile_answers_in_the_agents_place 43;
    a_root_of_another_version 45;
    every_failpoint_with_a_writable_volume_and_configuration 47;
}

#[test]
fn every_failpoint_of_a_pull_is_on_the_list() {
    let rig = Rig::new(9 << 20);
    let found: BTreeSet<String> = [
        points(&rig, Start::Cold),
        points(&rig, Start::Warm),
        points_with_cache(&rig),
    ]
    .concat()
    .into_iter()
    .collect();
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/failpoints.txt");
    let listed: BTreeSet<String> = fs::read_to_string(&list)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let lines = found
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        found == listed,
        "a state-changing call came or went; see that its failure is harmless, then write to \
         {}:\n{lines}",
        list.display()
    );
}
