//! The cases, by what they are about.

mod calls;
mod errors;
mod host;
mod interrupt;
mod limits;
mod linking;
mod memory;
mod nesting;
mod references;
mod tables;
mod traps;

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
    calls {
        scalars_cross_unchanged,
        several_results,
        sixteen_and_more_parameters,
        types_are_checked_before_the_call,
        handles_of_another_store_are_refused,
        modules_of_another_engine_are_refused,
        a_store_gives_its_data_back,
    }
    errors {
        malformed_and_invalid_modules,
        switched_off_features_are_named,
        configurations_are_checked,
        modules_tell_what_they_declare,
        missing_exports_are_named,
    }
    host {
        wrapped_closures_with_every_kind_of_result,
        sixteen_parameters_and_results,
        dynamic_functions,
        callers_see_the_importing_instance,
        the_host_can_call_its_own_functions,
        functions_made_before_and_after_a_stub_exists,
        errors_of_host_functions_come_back_as_they_are,
    }
    interrupt {
        a_callback_extends_the_deadline,
        fuel_runs_out_deterministically,
        host_functions_see_and_set_fuel,
        fuel_needs_the_switch,
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
        unknown_imports_as_traps,
        imports_by_order,
        start_functions_run,
        a_failed_segment_leaves_what_came_before,
        a_refused_instance_leaves_nothing,
        constant_expressions_with_arithmetic,
        many_instances_and_modules_of_one_store,
    }
    memory {
        the_host_reads_and_writes,
        wasm_and_host_share_it,
        memories_with_64_bit_addresses,
    }
    nesting {
        references_of_every_activation_survive_a_collection,
        a_borrowed_argument_can_be_passed_on,
        a_host_function_called_by_the_host_roots_its_arguments,
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
    tables {
        bulk_operations_count,
        growing_counts,
        segments_of_references,
        tables_of_functions,
        tables_that_the_host_makes,
    }
    traps {
        every_kind_of_trap,
        backtraces_name_functions,
        a_long_backtrace_is_told_shortly,
        a_trap_keeps_the_innermost_backtrace_on_its_way_out,
        stack_overflow_in_nested_activations,
        a_fixed_stack_limit_is_kept,
    }
}
