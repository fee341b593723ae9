# A sentinel set whose pods share no node and spread evenly over the zones. The set needs a node in each of three zones.
# An EBS volume stays in its zone. While a zone is down, its pod waits, and the sentinels promote a replica elsewhere.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "spread" {
  name             = "spread"
  namespace        = "redis"
  create_namespace = true
  deployment_mode  = "sentinel"
  anti_affinity    = "required"

  topology_spread_constraints = [{
    max_skew           = 1
    topology_key       = "topology.kubernetes.io/zone"
    when_unsatisfiable = "DoNotSchedule"
  }]
}

output "write_to" {
  value = redis_k8s_instance.spread.host
}
