//! Signed requests in every runtime: what RFC 9421 says of each.

use anyhow::{Context, Result};
use claviger_parity::{
    faces::{Node, PARITY_WORKER, Workerd},
    signature_cases::{
        CaseFile, Expected, NativeSignatures, Outcome, ScriptSignatures, SignatureFace, WasmtimeSignatures,
    },
    signature_vectors,
};

#[test]
fn every_runtime_says_of_signed_requests_what_the_rfc_says() -> Result<()> {
    let file = CaseFile::read(&signature_vectors::path())?;
    let workerd = Workerd::start(PARITY_WORKER, ("OPTIONS", "{}"), None)?;
    let mut faces: [Box<dyn SignatureFace>; 4] = [
        Box::new(NativeSignatures),
        Box::new(WasmtimeSignatures::new()?),
        Box::new(ScriptSignatures::Node(Node::start()?)),
        Box::new(ScriptSignatures::Workerd(workerd)),
    ];
    for default_policy in [false, true] {
        let mut first: Option<Vec<Outcome>> = None;
        for face in &mut faces {
            let outcomes = face.outcomes(&file, default_policy)?;
            for (case, outcome) in file.cases.iter().zip(&outcomes) {
                let holds = match case.expect {
                    Expected::Accept => default_policy || outcome.is_ok(),
                    Expected::Reject => outcome.is_err(),
                    Expected::Policy => true,
                };
                assert!(holds, "{}, {}: {outcome:?} ({})", face.name(), case.name, case.why);
            }
            // One verdict, to the code, whatever the runtime.
            let first = first.get_or_insert_with(|| outcomes.clone());
            for ((case, expected), outcome) in file.cases.iter().zip(first).zip(&outcomes) {
                assert_eq!(expected, outcome, "{}, {}", face.name(), case.name);
            }
        }
        first.context("no faces")?;
    }
    Ok(())
}
