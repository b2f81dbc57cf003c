//! The golden vectors, in every runtime: verdicts and parts.

use anyhow::{Context, Result};
use claviger_parity::{
    faces::{self, Batch, Node, PARITY_WORKER, Workerd},
    vectors,
};
use serde_json::Value;

/// The cases in runs of one configuration and time, as batches want them.
fn for_each_case(mut check: impl FnMut(&Batch<'_>, &vectors::Case) -> Result<()>) -> Result<usize> {
    let file = vectors::read()?;
    for case in &file.cases {
        let verifier = file.verifiers.iter().find(|verifier| verifier.name == case.verifier);
        let options = &verifier.with_context(|| format!("{} names no verifier", case.name))?.options;
        let keys = [case.presented()?];
        check(&Batch { options, now: case.now, keys: &keys }, case).with_context(|| case.name.clone())?;
    }
    Ok(file.cases.len())
}

#[test]
fn every_runtime_gives_the_golden_verdicts() -> Result<()> {
    for mut face in faces::all()? {
        let cases = for_each_case(|batch, case| {
            assert_eq!(face.verify(batch)?.first(), Some(&case.verdict), "{}: {}", face.name(), case.name);
            Ok(())
        })?;
        assert!(cases > 80, "{cases} cases");
    }
    Ok(())
}

#[test]
fn native_node_and_workerd_read_the_golden_parts() -> Result<()> {
    let (mut node, workerd) = (Node::start()?, Workerd::start(PARITY_WORKER, ("OPTIONS", "{}"))?);
    for_each_case(|batch, case| {
        let Some(parts) = &case.parts else { return Ok(()) };
        let text = String::from_utf8(case.presented()?)?;
        assert_eq!(&vectors::parts(&text), parts, "native: {}", case.name);
        for (name, answers) in
            [("Node", node.answers(batch, true)?), ("workerd", workerd.answers(batch, true)?)]
        {
            let said: Vec<&Value> = answers.iter().filter_map(|answer| answer.get("parts")).collect();
            assert_eq!(said, [parts], "{name}: {}", case.name);
        }
        Ok(())
    })?;
    Ok(())
}

#[test]
fn every_code_that_a_key_can_cause_has_a_case() -> Result<()> {
    let file = vectors::read()?;
    for code in claviger_core::DenialCode::ALL {
        let covered = file
            .cases
            .iter()
            .any(|case| case.verdict.get("code").and_then(Value::as_str) == Some(code.as_str()));
        let fault = code.class() == claviger_core::DenialClass::Fault;
        assert_eq!(covered, !fault, "{code}");
    }
    Ok(())
}

#[test]
fn the_golden_files_are_what_the_core_writes() -> Result<()> {
    for (path, content) in vectors::golden_files()? {
        let present = std::fs::read_to_string(&path)?;
        assert!(
            present == content,
            "{} would change; if that is meant, run cargo xtask vectors",
            path.display()
        );
    }
    Ok(())
}
