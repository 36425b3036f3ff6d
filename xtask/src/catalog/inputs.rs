//! The third-party packages that the tables come from, pinned by version and hash.
//!
//! pip verifies the sha256 of wheels (`--require-hashes`), Go that of modules (and we the sum it prints); nothing
//! else is downloaded. Licences: moto, Apache Libcloud and the Go modules are Apache-2.0, cfn-lint is MIT-0;
//! their notices are in `third_party/NOTICE`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use serde_json::Value;
use xshell::{Shell, cmd};
use zip::ZipArchive;

/// One wheel: package, version, file name, sha256.
struct Wheel {
    package: &'static str,
    version: &'static str,
    file: &'static str,
    sha256: &'static str,
}

/// Instance types and zones.
const MOTO: Wheel = Wheel {
    package: "moto",
    version: "5.2.5",
    file: "moto-5.2.5-py3-none-any.whl",
    sha256: "eef62cdcf3bfe73e0863743511ba042dfaba04ba3d5ecdcb896a196c693ad528",
};

/// Which types exist in the regions that moto lacks.
const CFN_LINT: Wheel = Wheel {
    package: "cfn-lint",
    version: "1.58.0",
    file: "cfn_lint-1.58.0-py3-none-any.whl",
    sha256: "9d9f06043160756a6158f5c3f92a44ce38254b1c578127461608305bc8262987",
};

/// On-demand prices, newest first; the older ones only help the repair.
const LIBCLOUD: [Wheel; 3] = [
    Wheel {
        package: "apache-libcloud",
        version: "3.9.1",
        file: "apache_libcloud-3.9.1-py3-none-any.whl",
        sha256: "362806efe3602a781afa0b0c8ad2e8963a708c8d5957fb999735c1cc1e0762d2",
    },
    Wheel {
        package: "apache-libcloud",
        version: "3.8.0",
        file: "apache_libcloud-3.8.0-py2.py3-none-any.whl",
        sha256: "de65a8bd946f6532830f20a83f2eae2fa056f05a674fad30afe877cb78df6050",
    },
    Wheel {
        package: "apache-libcloud",
        version: "3.7.0",
        file: "apache_libcloud-3.7.0-py2.py3-none-any.whl",
        sha256: "027a9aff2c01db9c8e6f9f94b6eb44b3153d82702c42bfbe7af5624dabf1f950",
    },
];

/// One Go module: path, version, the sum of go.sum.
struct Module {
    path: &'static str,
    version: &'static str,
    sum: &'static str,
}

/// Branch interfaces, which no API publishes.
const RESOURCE_CONTROLLER: Module = Module {
    path: "github.com/aws/amazon-vpc-resource-controller-k8s",
    version: "v1.8.2",
    sum: "h1:S6fvZf7+Xjho4LLo2AdxT3x9yaOJ37Ly/eGQd+ASWi4=",
};

/// The published table of max pods, to check ours.
const VPC_CNI: Module = Module {
    path: "github.com/aws/amazon-vpc-cni-k8s",
    version: "v1.23.2",
    sum: "h1:Ka5CQyoDQhTJ41BruEiI35Xs7LJoC+zUubWI5+xbrLc=",
};

/// The price list and the bandwidths that Karpenter starts with.
const KARPENTER: Module = Module {
    path: "github.com/aws/karpenter-provider-aws",
    version: "v1.14.1",
    sum: "h1:WGtIQTQcxpElYMdWfWuPwaF2+9muR+hYhPZsTtoY8Gs=",
};

/// Its price lists in US dollars (2026-07 and 2026-06); the one of China is in yuan.
const PRICE_LISTS: [&str; 2] = [
    "pkg/providers/pricing/zz_generated.pricing_aws.go",
    "pkg/providers/pricing/zz_generated.pricing_aws_us_gov.go",
];

/// Everything the tables are made of, as the packages hold it.
pub struct Inputs {
    /// moto: type name to its `DescribeInstanceTypes` entry.
    pub instance_types: Value,
    /// moto: region and its list of `{InstanceType, Location: zone}`.
    pub offerings: Vec<(String, Value)>,
    /// cfn-lint: region to `{enum: [type]}`.
    pub types_by_region: Value,
    /// libcloud, newest first: type to region to US dollars an hour.
    pub prices: Vec<Value>,
    /// amazon-vpc-resource-controller-k8s: Go source with the limits of every type.
    pub branch_limits: String,
    /// amazon-vpc-cni-k8s: a line a type with its pods.
    pub max_pods: String,
    /// karpenter-provider-aws: Go source with prices by region and type.
    pub listed_prices: Vec<String>,
    /// karpenter-provider-aws: Go source with the bandwidth of every type.
    pub bandwidths: String,
}

/// Downloads what is missing in `directory`, verifies all, and reads it.
pub fn fetch(directory: &Path) -> Result<Inputs> {
    std::fs::create_dir_all(directory)?;
    let mut moto = open(directory, &MOTO)?;
    let instance_types = gunzip_json(&mut moto, "moto/ec2/resources/instance_types.json.gz")?;
    let offerings = read_offerings(&mut moto)?;
    let mut cfn_lint = open(directory, &CFN_LINT)?;
    let path = "cfnlint/data/schemas/extensions/aws_ec2_instance/instancetype_enum.json";
    let types_by_region = serde_json::from_slice(&read(&mut cfn_lint, path)?)?;
    let mut prices = Vec::new();
    for wheel in &LIBCLOUD {
        let mut libcloud = open(directory, wheel)?;
        let mut all: Value = serde_json::from_slice(&read(&mut libcloud, "libcloud/data/pricing.json")?)?;
        prices.push(all["compute"]["ec2_linux"].take());
    }
    let listed_prices =
        PRICE_LISTS.iter().map(|path| read_module(directory, &KARPENTER, path)).collect::<Result<_>>()?;
    Ok(Inputs {
        instance_types,
        offerings,
        types_by_region,
        prices,
        branch_limits: read_module(directory, &RESOURCE_CONTROLLER, "pkg/aws/vpc/limits.go")?,
        max_pods: read_module(directory, &VPC_CNI, "misc/eni-max-pods.txt")?,
        listed_prices,
        bandwidths: read_module(
            directory,
            &KARPENTER,
            "pkg/providers/instancetype/zz_generated.bandwidth.go",
        )?,
    })
}

/// Zones per type, region by region.
fn read_offerings(moto: &mut ZipArchive<File>) -> Result<Vec<(String, Value)>> {
    let folder = "moto/ec2/resources/instance_type_offerings/availability-zone/";
    let mut paths = Vec::new();
    for name in moto.file_names() {
        paths.push(name?.into_owned());
    }
    paths.retain(|path| path.starts_with(folder));
    paths.sort_unstable();
    let mut offerings = Vec::new();
    for path in paths {
        let region = path.trim_start_matches(folder).trim_end_matches(".json.gz").to_string();
        offerings.push((region, gunzip_json(moto, &path)?));
    }
    Ok(offerings)
}

/// Opens a wheel, downloading it first; pip refuses a file whose hash differs.
fn open(directory: &Path, wheel: &Wheel) -> Result<ZipArchive<File>> {
    let shell = Shell::new()?;
    shell.change_dir(directory);
    let requirement = format!("{}=={} --hash=sha256:{}\n", wheel.package, wheel.version, wheel.sha256);
    let requirements = format!("{}-{}.txt", wheel.package, wheel.version);
    shell.write_file(&requirements, requirement)?;
    cmd!(
        shell,
        "pip download --quiet --no-deps --only-binary :all: --require-hashes --dest . -r {requirements}"
    )
    .run()?;
    let path = directory.join(wheel.file);
    let file = File::open(&path).with_context(|| path.display().to_string())?;
    Ok(ZipArchive::new(file)?)
}

/// One text file of a Go module, downloading the module first.
fn read_module(directory: &Path, module: &Module, path: &str) -> Result<String> {
    let shell = Shell::new()?;
    shell.change_dir(directory);
    let query = format!("{}@{}", module.path, module.version);
    let answer: Value = serde_json::from_str(&cmd!(shell, "go mod download -json {query}").read()?)?;
    ensure!(answer["Sum"] == module.sum, "{query} has another sum than the pinned one");
    let folder = answer["Dir"].as_str().with_context(|| format!("{query} has no folder"))?;
    shell.read_file(Path::new(folder).join(path)).with_context(|| path.to_string())
}

/// One file of a wheel.
fn read(wheel: &mut ZipArchive<File>, path: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    wheel.by_name(path).with_context(|| path.to_string())?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One gzipped JSON file of a wheel.
fn gunzip_json(wheel: &mut ZipArchive<File>, path: &str) -> Result<Value> {
    let bytes = read(wheel, path)?;
    serde_json::from_reader(GzDecoder::new(bytes.as_slice())).with_context(|| path.to_string())
}
