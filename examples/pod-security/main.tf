# Pods that never run as root, but as user and group 1000, which the operator's images expect.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "restricted" {
  name             = "restricted"
  namespace        = "redis"
  create_namespace = true

  security_context = {
    run_as_non_root = true
    run_as_user     = 1000
    fs_group        = 1000
  }
}

output "url" {
  value = redis_k8s_instance.restricted.url
}
