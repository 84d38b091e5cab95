#!/usr/bin/env python3
"""Cuts kubernetes.json out of a PyPI package: pip download --no-deps kubernetes-validate; cut.py FILE.whl

Only the kinds that k8s/ uses, and what hangs below them; descriptions are left out. Run it again for another
version of Kubernetes or another kind. Nothing at build or test time needs it.
"""
import json
import sys
import zipfile

VERSION = "v1.34.0"
KINDS = """
io.k8s.api.core.v1.Namespace io.k8s.api.core.v1.ServiceAccount io.k8s.api.core.v1.ConfigMap
io.k8s.api.core.v1.Secret io.k8s.api.core.v1.Service io.k8s.api.core.v1.PersistentVolumeClaim
io.k8s.api.apps.v1.Deployment io.k8s.api.apps.v1.StatefulSet io.k8s.api.batch.v1.Job io.k8s.api.batch.v1.CronJob
io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler io.k8s.api.policy.v1.PodDisruptionBudget
io.k8s.api.networking.v1.NetworkPolicy io.k8s.api.networking.v1.Ingress
""".split()
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intstr",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
}
# What may stand in a field of words: the document says it in prose only. By type and field.
ENUMS = {
    ("ContainerPort", "protocol"): "SCTP TCP UDP",
    ("CronJobSpec", "concurrencyPolicy"): "Allow Forbid Replace",
    ("HPAScalingPolicy", "type"): "Percent Pods",
    ("HTTPIngressPath", "pathType"): "Exact ImplementationSpecific Prefix",
    ("NetworkPolicyPort", "protocol"): "SCTP TCP UDP",
    ("PodSpec", "restartPolicy"): "Always Never OnFailure",
    ("SeccompProfile", "type"): "Localhost RuntimeDefault Unconfined",
    ("ServicePort", "protocol"): "SCTP TCP UDP",
    ("TopologySpreadConstraint", "whenUnsatisfiable"): "DoNotSchedule ScheduleAnyway",
    ("meta.LabelSelectorRequirement", "operator"): "DoesNotExist Exists In NotIn",
}


def main(wheel):
    archive = zipfile.ZipFile(wheel)
    folder = f"kubernetes_validate/kubernetes-json-schema/{VERSION}-local-strict/"
    whole = json.loads(archive.read(folder + "_definitions.json"))["$defs"]
    types, kinds, wanted, names = {}, {}, [], {}

    def reference(target):
        name = target.rsplit("/", 1)[1]
        if name in SPECIAL:
            return SPECIAL[name]
        wanted.append(name)
        return name.rsplit(".", 1)[1] if name.startswith("io.k8s.api.") else "meta." + name.rsplit(".", 1)[1]

    def spell(schema):
        if "$ref" in schema:
            return reference(schema["$ref"])
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next(one for one in kind if one != "null")
        if kind == "array":
            return f"[{spell(schema['items'])}]"
        if kind == "object":
            values = schema.get("additionalProperties")
            return "{%s}" % (spell(values) if isinstance(values, dict) else "any")
        return kind or "any"

    for name in KINDS:
        spelled = reference("/" + name)
        for one in whole[name]["x-kubernetes-group-version-kind"]:
            kinds["/".join(filter(None, [one["group"], one["version"], one["kind"]]))] = spelled
    while wanted:
        name = wanted.pop()
        spelled = name.rsplit(".", 1)[1] if name.startswith("io.k8s.api.") else "meta." + name.rsplit(".", 1)[1]
        if names.setdefault(spelled, name) != name:
            sys.exit(f"{spelled} would be both {name} and {names[spelled]}")
        if spelled in types:
            continue
        schema = whole[name]
        # What only the server writes nobody may write into a manifest.
        fields = {key: spell(value) for key, value in schema.get("properties", {}).items() if key != "status"}
        for (kind, field), words in ENUMS.items():
            if kind == spelled:
                fields[field] = "enum(%s)" % ",".join(words.split())
        types[spelled] = {"fields": fields, "required": schema.get("required", [])}
    lines = [f"    {json.dumps(name)}: {json.dumps(types[name], sort_keys=True)}" for name in sorted(types)]
    kinds = json.dumps(kinds, indent=4, sort_keys=True).replace("\n}", "\n  }")
    print('{\n  "kinds": %s,\n  "types": {\n%s\n  }\n}' % (kinds, ",\n".join(lines)))


main(sys.argv[1])
