# A cache on Spot capacity, which AWS may reclaim at any time.
# node_selector applies to all pods, including masters. Use it only for data that may be unavailable for a while.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "thumbnails" {
  name             = "thumbnails"
  namespace        = "redis"
  create_namespace = true

  node_selector = {
    "eks.amazonaws.com/capacityType" = "SPOT"
  }
}

output "url" {
  value = redis_k8s_instance.thumbnails.url
}
