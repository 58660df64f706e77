//! The template of the functions, as CloudFormation's own rules see it: cfn-lint on the template and on what AWS's translator
//! makes of it, because each shows mistakes that the other does not.

use std::path::{Path, PathBuf};
use std::process::Command;

use stack::{tools, workspace};

const TEMPLATE: &str = "functions/template.yaml";
/// The region of wrangler.toml: what a resource may have differs from one to another.
const REGION: &str = "ap-northeast-2";

/// What a template is found to have wrong; empty: nothing.
fn findings(python: &Path, template: &Path) -> String {
    let mut lint = Command::new(python);
    // It has no module that can be run.
    lint.args(["-c", "from cfnlint.runner import main; main()", "--regions", REGION, "--"]).arg(template);
    let output = lint.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What CloudFormation is given, in a file.
fn translated(python: &Path, template: &Path) -> PathBuf {
    let mut translate = Command::new(python);
    translate.arg(workspace::root().join("tests/it/workspace/template/translate.py")).arg(template);
    let output = translate.env("AWS_DEFAULT_REGION", REGION).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = template.with_extension("json");
    std::fs::write(&file, output.stdout).unwrap();
    file
}

#[test]
#[ignore = "long"]
fn cloudformation_takes_the_template_and_its_translation() {
    let python = tools::cfn_lint().unwrap();
    let folder = workspace::target_dir().join("template");
    std::fs::create_dir_all(&folder).unwrap();
    let right = std::fs::read_to_string(workspace::root().join(TEMPLATE)).unwrap();
    // Beside the template as it is, mistakes of which no rule of ours speaks.
    for (name, from, to) in [
        ("right", "", ""),
        (
            "role",
            "Role:\n        \"Fn::GetAtt\":\n        - ReserveRole",
            "Role:\n        \"Fn::GetAtt\":\n        - ReserveRol",
        ),
        ("property", "      MemorySize: 512", "      MemorySizes: 512"),
        ("timeout", "      Timeout: 150", "      Timeout: 1500"),
        ("attempts", "MaximumRetryAttempts: 2", "MaximumRetryAttempts: 2000"),
        ("retention", "RetentionInDays: 30", "RetentionInDays: 31"),
        ("statistic", "Statistic: Sum", "Statistic: Sums"),
        ("condition", "Condition: IsLive", "Condition: IsAlive"),
    ] {
        assert!(right.contains(from), "{TEMPLATE} has no {from:?}");
        let template = folder.join(format!("{name}.yaml"));
        std::fs::write(&template, right.replacen(from, to, usize::from(!from.is_empty()))).unwrap();
        let mut found = findings(&python, &template);
        if found.is_empty() {
            found = findings(&python, &translated(&python, &template));
        }
        // A finding begins with its number: E3030.
        let as_meant = if name == "right" { found.is_empty() } else { found.starts_with('E') };
        assert!(as_meant, "{name}: {found}");
    }
}
