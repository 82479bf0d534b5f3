//! The cases in arenas of one, two and three slots, with activations tables of
//! the same size: how many slots each case needs.

use super::CASES;
use crate::Case;

/// Modules with cases about references. The other cases hold few or none.
const MODULES: [&str; 11] = [
    "calls::",
    "collecting::",
    "counting::",
    "destructors::",
    "frames::",
    "nesting::",
    "references::",
    "rooting::",
    "sharing::",
    "stepping::",
    "tables::",
];

/// The fewest slots each case needs; cases not listed need one. Four stands for
/// "more than three".
const NEEDS: &[(&str, u32)] = &[
    ("calls::every_type_in_every_place", 3),
    ("collecting::every_activation_is_walked", 4),
    ("collecting::reading_places", 4),
    ("collecting::the_threshold_follows_what_frames_hold", 4),
    ("counting::a_global_overwritten_while_held", 2),
    ("counting::a_trap_keeps_what_was_stored_and_releases_the_rest", 4),
    ("counting::one_object_passed_and_returned_several_times", 2),
    ("counting::storing_what_is_there_already_changes_nothing", 2),
    ("counting::what_a_frame_holds_survives_every_way_to_overwrite_it", 2),
    ("destructors::a_destructor_calls_into_another_store", 2),
    ("destructors::objects_that_wait_for_each_other", 4),
    ("frames::a_host_function_returns_many_references", 4),
    ("frames::arguments_on_the_stack", 4),
    ("frames::dead_values_are_not_held", 2),
    ("frames::every_frame_of_a_recursion_holds_its_own", 4),
    ("frames::many_results", 4),
    ("frames::more_references_than_registers", 4),
    ("frames::references_beside_other_types", 3),
    ("frames::references_in_block_parameters", 2),
    ("frames::tail_calls_hand_references_on", 2),
    ("frames::what_an_operator_is_about_to_use_is_held", 4),
    ("nesting::references_of_every_activation_survive_a_collection", 4),
    ("references::draining_can_be_left_to_the_embedder", 4),
    ("references::host_functions_take_and_give_references", 3),
    ("references::tables_and_globals_keep_references", 4),
    ("references::the_host_reads_and_writes_places_directly", 3),
    ("references::wasm_frames_keep_what_they_hold_and_nothing_else", 2),
    ("sharing::a_start_function_that_fails_leaves_a_good_store", 4),
    ("sharing::references_in_a_shared_table_and_global", 4),
    ("stepping::a_store_dropped_in_the_middle_of_a_step", 4),
    ("stepping::an_abandoned_step_loses_nothing", 3),
    ("stepping::steps_find_what_a_collection_finds", 4),
    ("stepping::wasm_runs_between_steps", 4),
    ("tables::a_bulk_operation_out_of_bounds_changes_nothing", 4),
    ("tables::bulk_operations_count", 4),
    ("tables::growing_counts", 2),
    ("tables::tables_with_64_bit_indices", 3),
];

/// The number of slots a case needs.
pub fn slots_needed(case: &Case) -> u32 {
    NEEDS.iter().find(|(name, _)| *name == case.name).map_or(1, |(_, slots)| *slots)
}

/// The cases that are run in small arenas.
pub fn cases_about_references() -> impl Iterator<Item = &'static Case> {
    CASES.iter().filter(|case| MODULES.iter().any(|name| case.name.starts_with(name)))
}
