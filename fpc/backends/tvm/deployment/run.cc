// Runs the network of an artifact: ./run ARTIFACT INPUT... [OUTPUT...]
//
// A file holds the elements of one tensor, as manifest.json describes it. The five greatest
// elements of the last output are printed, if it is float32.
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/module.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <numeric>

using namespace tvm::ffi;

void PrintGreatest(const Tensor& scores) {
  auto* data = static_cast<const float*>(scores.data_ptr());
  std::vector<long> order(scores.numel());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](long a, long b) { return data[a] > data[b]; });
  order.resize(std::min<size_t>(order.size(), 5));
  for (long i : order) std::printf("%6ld %10.4f\n", i, data[i]);
}

int main(int count, char** words) try {
  if (count < 3) throw std::runtime_error("usage: run ARTIFACT INPUT... [OUTPUT...]");
  setenv("TVM_NUM_THREADS", "1", false);
  setenv("TVM_BIND_THREADS", "0", false);  // Else TVM chooses processors, for this thread too.
  std::string folder = words[1];
  Module library = Module::LoadFromFile(folder + "/model.so");
  Module network = (*library->GetFunction("vm_load_executable"))().cast<Module>();
  (*network->GetFunction("vm_initialization"))(int{kDLCPU}, 0, 2 /* pooled memory */);

  auto arguments = (*network->GetFunction("inputs"))().cast<Array<Tensor>>();
  std::vector<std::string> files(words + 2, words + count);
  if (files.size() + 1 < arguments.size()) throw std::runtime_error("an input is missing");
  files.insert(files.begin() + arguments.size() - 1, folder + "/weights.bin");
  auto file = files.begin();
  for (const Tensor& each : arguments) {
    if (!std::ifstream(*file).read(static_cast<char*>(each.data_ptr()), GetDataSize(each)))
      throw std::runtime_error(*file + " is missing or too short");
    ++file;
  }
  std::vector<AnyView> views(arguments.begin(), arguments.end());
  Any result;
  (*network->GetFunction("main")).CallPacked(views.data(), views.size(), &result);

  auto outputs = result.cast<Array<Tensor>>();
  for (const Tensor& output : outputs)
    if (file < files.end())
      std::ofstream(*file++).write(static_cast<char*>(output.data_ptr()), GetDataSize(output));
  if (outputs.back().dtype().code == kDLFloat) PrintGreatest(outputs.back());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
