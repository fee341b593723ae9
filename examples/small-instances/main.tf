# A small Redis for each of several services. Four to six such instances fit on one m5.large.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "small" {
  for_each = toset(["carts", "quotas", "sessions", "tokens"])

  name             = each.key
  namespace        = "redis"
  create_namespace = true

  master = {
    resources = {
      requests = { cpu = "250m", memory = "512Mi" }
    }
  }
}

output "urls" {
  value = { for name, instance in redis_k8s_instance.small : name => instance.url }
}
