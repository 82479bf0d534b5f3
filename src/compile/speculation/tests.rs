//! What the optimizer leaves of each kind of access: no address, and no code
//! pointer from a table, is made of a guest's number but through a guard whose
//! condition is that of a check.

use crate::compile::code_key::CodeKey;
use crate::compile::listing::Watch;
use crate::compile::module;
use crate::compile::outlined::Outlined;
use crate::compile::poll::Poll;
use crate::compile::settings::CompileSettings;
use cranelift_codegen::CompiledCode;
use cranelift_codegen::ir::{
    ExternalName, Function, Inst, InstructionData, Opcode, Value, ValueDef, types,
};
use std_alloc::format;
use std_alloc::string::String;
use std_alloc::vec::Vec;

/// What each module begins with: memories whose minimum is a page, nothing, and a
/// page with indices of 64 bits; tables with elements, empty, and with long indices.
const HEAD: &str = "(import \"m\" \"m\" (memory $i 1)) (memory $m 1) (memory $z 0 9)
    (memory $l i64 1) (table $r 4 externref) (table $f 4 funcref) (table $e 0 funcref)
    (table $w i64 4 externref) (type $n (func (param i32) (result i32)))";

/// Accesses: parameters, and instructions that each are a function's body.
const ACCESSES: &[(&str, &str)] = &[
    ("i32", "(drop (i32.load8_u $m (local.get 0)))"),
    ("i32", "(drop (i32.load16_s $m (local.get 0)))"),
    ("i32", "(drop (i32.load $i offset=8 (local.get 0)))"),
    ("i32", "(drop (f64.load $m (local.get 0)))"),
    ("i32", "(drop (i32.load $m offset=70000 (local.get 0)))"),
    ("i32", "(drop (i32.load $m offset=0xfffffff0 (local.get 0)))"),
    ("i32", "(drop (i32.load8_u $z (local.get 0)))"),
    ("i64", "(drop (i32.load8_u $l (local.get 0)))"),
    ("i64", "(drop (i64.load $l offset=16 (local.get 0)))"),
    ("i64", "(drop (i64.load $l offset=0x100000000 (local.get 0)))"),
    ("i32 i32", "(i32.store8 $m (local.get 0) (local.get 1))"),
    ("i32 i64", "(i64.store $m offset=4 (local.get 0) (local.get 1))"),
    ("i64 f32", "(f32.store $l offset=4 (local.get 0) (local.get 1))"),
    ("i32", "(drop (v128.load $m (local.get 0)))"),
    ("i32", "(drop (v128.load8x8_s $m (local.get 0)))"),
    ("i32", "(drop (v128.load16_splat $m (local.get 0)))"),
    ("i32", "(drop (v128.load64_zero $m (local.get 0)))"),
    ("i32 v128", "(drop (v128.load8_lane $m 3 (local.get 0) (local.get 1)))"),
    ("i32 v128", "(v128.store $m (local.get 0) (local.get 1))"),
    ("i32 v128", "(v128.store16_lane $z 1 (local.get 0) (local.get 1))"),
    // One check for several: made wider, and not made wide enough.
    ("i32", "(drop (i32.load8_u $m (local.get 0))) (drop (i64.load $m offset=32 (local.get 0)))"),
    ("i32", "(drop (i64.load $m offset=32 (local.get 0))) (drop (i32.load8_u $m (local.get 0)))"),
    (
        "i32",
        "(drop (i32.load8_u $m (local.get 0))) (drop (i32.load $m offset=70000 (local.get 0)))",
    ),
    (
        "i32",
        "(i32.store $m (local.get 0) (i32.const 1)) (i32.store $m offset=64 (local.get 0) (i32.const 1))",
    ),
    (
        "i32",
        "(i32.store $m (local.get 0) (i32.const 1))
        (block (br_if 0 (local.get 0)) (drop (i32.load $m (local.get 0))))
        (loop (drop (i32.load $m offset=1 (local.get 0))))",
    ),
    // An index from memory.
    ("i32", "(drop (i32.load $m (i32.load $m (local.get 0))))"),
    // In place, and through stubs.
    ("i32 i32", "(memory.copy $m $z (local.get 0) (local.get 1) (i32.const 24))"),
    ("i64 i32", "(memory.fill $l (local.get 0) (local.get 1) (i64.const 7))"),
    ("i32 i32 i32", "(memory.copy $m $m (local.get 0) (local.get 1) (local.get 2))"),
    ("i64 i32 i32", "(memory.copy $l $m (local.get 0) (local.get 1) (local.get 2))"),
    ("i64 i32 i64", "(memory.fill $l (local.get 0) (local.get 1) (local.get 2))"),
    ("i32 externref", "(table.set $r (local.get 0) (local.get 1))"),
    ("i32", "(drop (table.get $r (local.get 0)))"),
    ("i32", "(drop (table.get $e (local.get 0)))"),
    ("i64", "(drop (table.get $w (local.get 0)))"),
    ("i32 funcref", "(table.set $e (local.get 0) (local.get 1))"),
    ("i32", "(drop (call_indirect $f (type $n) (i32.const 7) (local.get 0)))"),
    ("i32", "(return_call_indirect $e (type $n) (i32.const 7) (local.get 0))"),
];

/// Counts the functions in which something is not guarded, and all guards.
#[derive(Default)]
struct Guards {
    key: Option<CodeKey>,
    unguarded: u32,
    /// Bodies and stubs in which something had to be guarded.
    looked_at: u32,
    guards: u32,
    dump: String,
}

impl Watch for Guards {
    fn made(&mut self, key: CodeKey, _: &Function) {
        self.key = Some(key);
    }

    fn compiled(&mut self, ir: &Function, _: &CompiledCode) {
        let is_bulk = match self.key {
            Some(CodeKey::Function(_)) => false,
            Some(CodeKey::Bulk(_)) => true,
            _ => return,
        };
        self.dump = format!("{}{}", self.dump, ir.display());
        let view = View::of(ir);
        self.guards += view.count(Opcode::SelectSpectreGuard);
        let mut to_guard = 0;
        for inst in ir.layout.blocks().flat_map(|block| ir.layout.block_insts(block)) {
            let (what, is_guarded) = match view.guarded(inst, is_bulk) {
                Some(is_guarded) => (1, is_guarded),
                None => (0, true),
            };
            to_guard += what;
            self.unguarded += u32::from(!is_guarded);
        }
        self.looked_at += u32::from(to_guard > 0);
    }
}

/// A function, and the conditions of its checks.
struct View<'f> {
    func: &'f Function,
    checked: Vec<Value>,
}

impl<'f> View<'f> {
    fn of(func: &'f Function) -> Self {
        let mut checked = Vec::new();
        for inst in func.layout.blocks().flat_map(|block| func.layout.block_insts(block)) {
            if func.dfg.insts[inst].opcode() == Opcode::Trapnz {
                checked.push(func.dfg.resolve_aliases(func.dfg.inst_args(inst)[0]));
            }
        }
        Self { func, checked }
    }

    fn count(&self, opcode: Opcode) -> u32 {
        let layout = &self.func.layout;
        let all = layout.blocks().flat_map(|block| layout.block_insts(block));
        all.filter(|inst| self.func.dfg.insts[*inst].opcode() == opcode).count() as u32
    }

    /// The kind of memory that an instruction accesses, if it does.
    fn region(&self, inst: Inst) -> Option<&str> {
        let flags = self.func.dfg.insts[inst].memflags()?;
        let region = self.func.dfg.mem_flags[flags].alias_region()?;
        Some(&self.func.dfg.alias_regions[region].description)
    }

    /// Whether what has to be guarded in this instruction is; `None` if nothing has.
    fn guarded(&self, inst: Inst, is_bulk: bool) -> Option<bool> {
        let (dfg, opcode) = (&self.func.dfg, self.func.dfg.insts[inst].opcode());
        let args = dfg.inst_args(inst);
        match opcode {
            Opcode::CallIndirect if is_bulk => {
                // Context, to, from or a byte, length.
                let ranges = [args[2], args[4]].iter().all(|arg| self.is_ours(*arg));
                Some(ranges && (dfg.value_type(args[3]) != types::I64 || self.is_ours(args[3])))
            }
            Opcode::CallIndirect | Opcode::ReturnCallIndirect => Some(self.is_guard(args[0])),
            // Context, address, reference.
            Opcode::Call if self.callee(inst) == Some(CodeKey::Outlined(Outlined::Store)) => {
                Some(self.is_ours(args[1]))
            }
            _ => match (self.region(inst)?, opcode.can_store()) {
                ("linear memory" | "table", true) => Some(self.is_ours(args[1])),
                ("linear memory" | "table", false) => Some(self.is_ours(args[0])),
                _ => None,
            },
        }
    }

    /// What a direct call calls.
    fn callee(&self, inst: Inst) -> Option<CodeKey> {
        let InstructionData::Call { func_ref, .. } = self.func.dfg.insts[inst] else { return None };
        match self.func.dfg.ext_funcs[func_ref].name {
            ExternalName::User(name) => {
                CodeKey::of_name(&self.func.params.user_named_funcs()[name])
            }
            _ => None,
        }
    }

    /// Whether a value is zero where the condition of a check holds.
    fn is_guard(&self, value: Value) -> bool {
        let dfg = &self.func.dfg;
        let Some(inst) = dfg.value_def(dfg.resolve_aliases(value)).inst() else { return false };
        let args = dfg.inst_args(inst);
        dfg.insts[inst].opcode() == Opcode::SelectSpectreGuard
            && self.checked.contains(&dfg.resolve_aliases(args[0]))
            && self.constant(args[1]) == Some(0)
    }

    fn constant(&self, value: Value) -> Option<i64> {
        let dfg = &self.func.dfg;
        match dfg.insts[dfg.value_def(dfg.resolve_aliases(value)).inst()?] {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits()),
            _ => None,
        }
    }

    /// Whether no number of the guest's is part of a value but through a guard.
    fn is_ours(&self, value: Value) -> bool {
        let dfg = &self.func.dfg;
        let value = dfg.resolve_aliases(value);
        let inst = match dfg.value_def(value) {
            ValueDef::Result(inst, _) => inst,
            // Of the function's parameters, the first is the context.
            ValueDef::Param(block, at) => {
                return at == 0 && self.func.layout.entry_block() == Some(block);
            }
            ValueDef::Union(..) => return false,
        };
        if self.is_guard(value) {
            return true;
        }
        match dfg.insts[inst].opcode() {
            Opcode::Iconst => true,
            Opcode::Load => self.region(inst) == Some("context"),
            Opcode::Iadd | Opcode::Ishl | Opcode::SelectSpectreGuard => {
                dfg.inst_args(inst).iter().all(|arg| self.is_ours(*arg))
            }
            _ => false,
        }
    }
}

fn compiled(access: (&str, &str), settings: &CompileSettings) -> Guards {
    let (params, body) = access;
    let result = if body.contains("return_call") { "(result i32)" } else { "" };
    let text = format!("(module {HEAD} (func (param {params}) {result} {body}))");
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut guards = Guards::default();
    module::watched(&wasm, settings, &mut guards, &mut Poll::new(wasm.len(), None)).unwrap();
    guards
}

#[test]
fn what_a_check_is_for_depends_on_it() {
    for as_if_large in [false, true] {
        let settings = CompileSettings { as_if_large, ..CompileSettings::default() };
        for access in ACCESSES {
            let found = compiled(*access, &settings);
            assert!(found.looked_at > 0, "{access:?}\n{}", found.dump);
            assert_eq!(found.unguarded, 0, "{access:?}\n{}", found.dump);
        }
    }
}

#[test]
fn with_guards_off_nothing_does() {
    let settings = CompileSettings { speculation_guards: false, ..CompileSettings::default() };
    for access in ACCESSES {
        let found = compiled(*access, &settings);
        assert!(found.unguarded > 0, "{access:?}\n{}", found.dump);
        assert_eq!(found.guards, 0, "{access:?}\n{}", found.dump);
    }
}

/// A guard page bounds what an index can reach; where there is none, there are guards.
#[test]
fn with_hardware_traps_what_no_guard_page_covers_is_guarded() {
    let settings = CompileSettings { hardware_traps: true, ..CompileSettings::default() };
    let is_covered = |body: &str| {
        let all = ["$l", "$w", "$r", "$e", "$f", "0xfffffff0", "memory.copy", "memory.fill"];
        !all.iter().any(|other| body.contains(other))
    };
    for access in ACCESSES {
        let found = compiled(*access, &settings);
        match is_covered(access.1) {
            true => assert_eq!(found.guards, 0, "{access:?}\n{}", found.dump),
            false if access.1.contains("(i32.const 24)") => {}
            false => assert_eq!(found.unguarded, 0, "{access:?}\n{}", found.dump),
        }
    }
}
