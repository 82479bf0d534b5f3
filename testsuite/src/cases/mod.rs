//! The cases, by topic.

#[expect(unsafe_code, reason = "a source of memory")]
mod accounts;
mod arena;
#[expect(unsafe_code, reason = "loads artifacts")]
mod artifacts;
mod bounds;
mod bulk;
mod calls;
mod checks;
mod collecting;
#[expect(unsafe_code, reason = "reads and writes a register")]
mod control_word;
mod counting;
mod destructors;
mod equivalence;
mod errors;
mod frames;
mod guards;
mod host;
mod hostile;
mod interrupt;
mod limits;
mod linking;
mod many_checks;
mod memory;
mod needs;
mod nesting;
mod no_vectors;
mod numerics;
#[expect(unsafe_code, reason = "paints the stack")]
mod painted;
mod references;
mod requests;
mod rooting;
mod sharing;
mod sizes;
mod speculation;
mod stack;
mod stepping;
mod tables;
#[expect(unsafe_code, reason = "sets stack limits")]
mod traps;

pub use equivalence::GcOps;
pub use needs::{cases_about_references, slots_needed};

use crate::Case;

macro_rules! cases {
    ($($module:ident { $($name:ident,)* })*) => {
        /// Every case.
        pub const CASES: &[Case] = &[
            $($(Case {
                name: concat!(stringify!($module), "::", stringify!($name)),
                run: $module::$name,
            },)*)*
        ];
    };
}

cases! {
    accounts {
        what_is_refused_leaves_nothing,
        what_grows_is_counted,
        a_refused_global_leaves_no_cell_and_no_reference,
        instances_cost_fuel_in_proportion,
        an_operator_sees_what_a_guest_has,
        what_a_source_backs_is_counted,
        what_a_growth_took_that_was_given_up_is_counted,
        a_table_near_its_limit_does_not_move_each_time,
        roots_are_counted,
        constant_expressions_cost_fuel_and_have_a_limit,
    }
    arena {
        five_in_and_four_out,
        the_same_untyped,
        nulls_take_no_room,
        nulls_of_typed_calls_take_no_room_either,
        a_full_arena_refuses_the_host_too,
        the_host_makes_room_for_globals,
        collections_that_free_too_little_do_not_repeat,
        what_the_host_could_not_store_is_released,
        a_refused_table_releases_its_initial_value,
        room_comes_back,
        a_quota_is_a_limit_and_not_a_trap,
        regions_that_are_too_small_or_misaligned,
    }
    artifacts {
        a_loaded_module_works_as_the_compiled_one,
        one_that_lies_in_the_image_works_too,
        what_is_damaged_is_named,
    }
    bounds {
        every_access_with_32_bit_addresses,
        every_access_with_64_bit_addresses,
        a_memory_without_pages,
        copies_that_overlap,
        segments_at_the_edge,
        growth_is_seen_at_once,
    }
    bulk {
        every_kind_of_operator_costs_what_it_should,
        the_epoch_is_checked_after_each_piece,
        what_was_done_before_an_interruption_stays_done,
        what_a_table_is_filled_with_is_kept_meanwhile,
        active_segments_are_work_too,
    }
    calls {
        scalars_cross_unchanged,
        several_results,
        sixteen_and_more_parameters,
        types_are_checked_before_the_call,
        handles_of_another_store_are_refused,
        modules_of_another_engine_are_refused,
        a_store_gives_its_data_back,
        every_type_in_every_place,
        sixteen_typed_results,
        a_refused_call_moves_nothing,
    }
    checks {
        what_happens_between_two_accesses_is_seen,
        a_check_counts_on_its_own_path_only,
        locals_change_where_they_are_assigned,
        copies_and_fills_of_every_length,
        copies_and_fills_with_64_bit_addresses,
        offsets_near_the_end_of_64_bits,
        a_byte_then_a_wider_access_near_the_end_of_64_bits,
    }
    collecting {
        statistics_tell_what_happened,
        every_activation_is_walked,
        thresholds_start_collections,
        the_threshold_follows_what_frames_hold,
        reading_places,
        destructors_wait_while_draining_is_off,
        a_borrowed_argument_is_good_for_its_call_only,
    }
    control_word {
        wasm_computes_with_the_default_one,
        a_trap_restores_the_callers,
        nested_calls_have_their_own,
    }
    counting {
        moving_between_locals_and_functions_counts_nothing,
        a_reference_in_many_places_is_one_handle,
        storing_what_is_there_already_changes_nothing,
        what_a_frame_holds_survives_every_way_to_overwrite_it,
        a_global_overwritten_while_held,
        one_object_passed_and_returned_several_times,
        untyped_calls_count_alike,
        select_and_is_null,
        a_trap_keeps_what_was_stored_and_releases_the_rest,
        an_owned_argument_is_one_handle_more,
        functions_are_not_counted,
    }
    destructors {
        a_long_chain_needs_no_stack,
        a_tree_goes_at_once,
        a_destructor_makes_and_drops_objects,
        a_destructor_calls_into_another_store,
        an_object_owns_a_store_that_owns_objects,
        one_object_in_several_stores,
        objects_that_wait_for_each_other,
        a_capability_is_taken_back,
        objects_know_their_type,
    }
    equivalence {
        many_short_programs,
        some_long_programs,
        programs_that_seldom_collect,
        programs_between_steps,
        programs_in_arenas_of_a_few_slots,
        programs_from_bytes,
    }
    errors {
        names_of_guests_are_escaped,
        malformed_and_invalid_modules,
        switched_off_features_are_named,
        configurations_are_checked,
        modules_tell_what_they_declare,
        missing_exports_are_named,
    }
    frames {
        references_in_block_parameters,
        references_through_branch_tables,
        more_references_than_registers,
        arguments_on_the_stack,
        many_results,
        tail_calls_hand_references_on,
        every_frame_of_a_recursion_holds_its_own,
        dead_values_are_not_held,
        what_an_operator_is_about_to_use_is_held,
        references_beside_other_types,
        a_host_function_returns_many_references,
    }
    guards {
        at_the_edges_of_memory_and_guard,
        after_growing,
        what_straddles_the_end_writes_nothing,
        an_access_proves_what_comes_after_it,
        a_copy_onto_itself_traps_and_proves_nothing_wrong,
        nothing_after_a_stray_access_happens,
        in_nested_activations,
        references_in_frames_are_released_once,
        leaves_and_deep_callees_tell_where_they_were,
        memories_of_other_instances,
        artifacts_and_memories_for_the_other_mode_are_refused,
    }
    host {
        wrapped_closures_with_every_kind_of_result,
        sixteen_parameters_and_results,
        dynamic_functions,
        callers_see_the_importing_instance,
        the_host_can_call_its_own_functions,
        functions_made_before_and_after_a_stub_exists,
        errors_of_host_functions_come_back_as_they_are,
        errors_pass_through_many_activations,
        a_dynamic_function_calls_itself,
        wrong_results_of_dynamic_functions,
    }
    hostile {
        proposals_that_are_missing_are_named,
        a_truncated_module_is_malformed,
        changed_bytes_do_no_harm,
        malformed_modules_say_where,
        invalid_uses_of_references,
        limits_are_named,
        the_most_parameters_and_results,
        every_handle_knows_its_store,
    }
    interrupt {
        a_callback_extends_the_deadline,
        fuel_runs_out_deterministically,
        host_functions_see_and_set_fuel,
        fuel_needs_the_switch,
        a_deadline_callback_collects,
        an_interrupt_releases_what_frames_held,
        a_recursion_without_loops_is_interrupted,
        nested_activations_share_deadline_and_fuel,
        running_out_of_fuel_releases_what_frames_held,
    }
    limits {
        fixed_limits,
        a_limiter_of_the_embedder,
        kernrefs_own_limits,
    }
    linking {
        instances_share_what_they_export,
        errors_name_both_types,
        names_are_defined_once_unless_shadowing_is_allowed,
        imports_found_once_serve_many_stores,
        what_can_be_refused_before_there_is_a_store,
        unknown_imports_as_traps,
        unknown_imports_as_default_values,
        the_first_memory_of_the_caller_has_no_name,
        imports_by_order,
        start_functions_run,
        a_failed_segment_leaves_what_came_before,
        a_refused_instance_leaves_nothing,
        constant_expressions_with_arithmetic,
        many_instances_and_modules_of_one_store,
    }
    many_checks {
        each_of_many_checks_is_named,
    }
    memory {
        the_host_reads_and_writes,
        wasm_and_host_share_it,
        memories_with_64_bit_addresses,
        a_pool_hands_no_bytes_from_guest_to_guest,
    }
    nesting {
        references_of_every_activation_survive_a_collection,
        a_borrowed_argument_can_be_passed_on,
        a_host_function_called_by_the_host_roots_its_arguments,
        a_host_function_that_calls_itself_ends_at_the_limit,
    }
    no_vectors {
        code_without_floats_has_no_vector_registers,
        modules_with_floats_are_refused,
        code_without_floats_runs,
    }
    numerics {
        conversions_between_floats_and_integers,
        float_arithmetic_and_comparisons,
        float_operators_that_keep_bits,
        rounding,
        floats_cross_unchanged,
        integer_operators,
        integers_that_change_width,
    }
    painted {
        every_frame_however_it_is_entered,
        shims_of_large_types,
    }
    references {
        an_argument_that_is_not_kept_is_released_at_return,
        what_comes_back_is_the_same_object,
        tables_and_globals_keep_references,
        the_host_reads_and_writes_places_directly,
        borrowed_arguments_cost_no_count_and_do_not_outlive_the_call,
        host_functions_take_and_give_references,
        wasm_frames_keep_what_they_hold_and_nothing_else,
        a_full_arena_collects_and_then_refuses,
        draining_can_be_left_to_the_embedder,
        references_are_released_after_a_trap,
        a_given_region_is_used,
    }
    requests {
        long_bulk_work_ends_after_a_piece,
        each_builtin_ends_a_guest,
        a_request_that_comes_too_late_can_be_taken_back,
        initial_contents_end_after_a_piece,
        outer_activations_end_in_turn,
        where_it_was_is_told,
        a_guest_that_uses_everything,
        a_store_is_dropped_in_steps,
    }
    rooting {
        a_root_is_good_for_many_calls,
        unrooting_releases_at_once,
        host_functions_return_roots,
        what_a_frame_holds_outlives_its_root,
        a_root_in_nested_calls_and_traps,
        stale_and_foreign_handles_are_refused,
        a_full_arena_refuses_roots,
        an_argument_is_kept_beyond_its_call,
        host_functions_called_by_the_host_get_roots,
    }
    sharing {
        references_in_a_shared_table_and_global,
        functions_call_back_and_forth,
        a_trap_goes_through_several_instances,
        a_memory_that_one_grows_and_all_see,
        imports_may_be_larger_than_wanted_but_not_smaller,
        the_first_missing_import_is_named,
        a_start_function_that_fails_leaves_a_good_store,
        a_start_function_may_instantiate,
        one_host_function_imported_many_times,
    }
    sizes {
        fifty_thousand_locals,
        ten_thousand_nested_blocks,
        many_functions,
        modules_that_multiply,
        checks_in_long_functions,
    }
    speculation {
        guards_are_in_the_machine_code,
    }
    stack {
        the_store_is_usable_afterwards,
        more_stack_is_more_depth,
        large_frames,
        many_stack_arguments,
        an_overflow_at_every_level_of_nesting,
        a_start_function_that_overflows,
        tail_calls_need_no_stack,
    }
    stepping {
        steps_find_what_a_collection_finds,
        wasm_runs_between_steps,
        an_abandoned_step_loses_nothing,
        a_store_dropped_in_the_middle_of_a_step,
        what_a_step_marks_late_goes_one_collection_later,
    }
    tables {
        bulk_operations_count,
        growing_counts,
        segments_of_references,
        active_segments_are_dropped,
        tables_of_functions,
        tables_that_the_host_makes,
        tables_with_64_bit_indices,
        copies_segments_and_calls_with_64_bit_indices,
        a_bulk_operation_out_of_bounds_changes_nothing,
    }
    traps {
        every_kind_of_trap,
        backtraces_name_functions,
        backtraces_name_the_instruction,
        a_long_backtrace_is_told_shortly,
        a_trap_keeps_the_innermost_backtrace_on_its_way_out,
        stack_overflow_in_nested_activations,
        a_fixed_stack_limit_is_kept,
        every_kind_has_the_backtrace_of_where_it_was,
        traps_have_codes_and_texts,
    }
}
