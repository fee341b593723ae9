# Redis behind an internal AWS Network Load Balancer, for other VPCs and on-premises networks.
# service.internal is true by default: its annotation keeps the load balancer off the internet.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "shared" {
  name             = "shared"
  namespace        = "redis"
  create_namespace = true

  service = {
    type     = "LoadBalancer"
    internal = true
    annotations = {
      "service.beta.kubernetes.io/aws-load-balancer-type"                              = "nlb"
      "service.beta.kubernetes.io/aws-load-balancer-cross-zone-load-balancing-enabled" = "true"
    }
  }
}

output "within_the_cluster" {
  value = redis_k8s_instance.shared.host
}

output "from_outside" {
  value = redis_k8s_instance.shared.external_host
}
