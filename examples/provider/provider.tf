terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {
  config_path    = "~/.kube/config"
  config_context = "production"
}
