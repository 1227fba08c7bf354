// Runs the network of an artifact: ./run ARTIFACT INPUT... [OUTPUT...]
//
// A file holds the elements of one tensor, as manifest.json describes it. The five greatest
// elements of every output are printed. All that this needs is libtvm_runtime and libtvm_ffi.
// TVM_NUM_THREADS=4 in the environment lets four threads share the work of long kernels.
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/json.h>
#include <tvm/ffi/extra/module.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

using namespace tvm::ffi;
using Part = json::Object;

struct Aligned {  // Kernels load whole vectors of up to 64 bytes.
  void AllocData(DLTensor* t) { t->data = std::aligned_alloc(64, (GetDataSize(*t) + 63) & ~63); }
  void FreeData(DLTensor* t) { std::free(t->data); }
};

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Tensor Load(const Part& part, const Shape& shape, const std::string& bytes, size_t offset = 0) {
  DLDataType type = StringToDLDataType(part["dtype"].cast<String>());
  Tensor tensor = Tensor::FromNDAlloc(Aligned(), shape, type, DLDevice{kDLCPU, 0});
  if (offset + GetDataSize(tensor) > bytes.size()) throw std::runtime_error("a file is too short");
  std::copy_n(bytes.data() + offset, GetDataSize(tensor), static_cast<char*>(tensor.data_ptr()));
  return tensor;
}

double Stored(const Tensor& tensor, int64_t i) {
  const void* data = tensor.data_ptr();
  DLDataType type = tensor.dtype();
  if (type.code == kDLFloat) return static_cast<const float*>(data)[i];
  if (type.code == kDLUInt) return static_cast<const uint8_t*>(data)[i];
  if (type.bits == 8) return static_cast<const int8_t*>(data)[i];
  if (type.bits == 16) return static_cast<const int16_t*>(data)[i];
  if (type.bits == 32) return static_cast<const int32_t*>(data)[i];
  return static_cast<const int64_t*>(data)[i];
}

double Real(const Part& part, const Tensor& tensor, int64_t i) {
  if (part["scale"] == nullptr) return Stored(tensor, i);
  return part["scale"].cast<double>() * (Stored(tensor, i) - part["zero_point"].cast<double>());
}

void PrintGreatest(const Part& part, const Tensor& tensor) {
  std::vector<std::pair<double, long>> order;
  for (long i = 0; i < tensor.numel(); ++i) order.emplace_back(-Real(part, tensor, i), i);
  std::sort(order.begin(), order.end());
  order.resize(std::min<size_t>(order.size(), 5));
  std::printf("%s\n", part["name"].cast<String>().c_str());
  for (auto [negative, i] : order) std::printf("%6ld %10.4f\n", i, -negative);
}

int main(int count, char** words) try {
  if (count < 3) throw std::runtime_error("usage: run ARTIFACT INPUT... [OUTPUT...]");
  setenv("TVM_NUM_THREADS", "1", false);
  setenv("TVM_BIND_THREADS", "0", false);  // Else TVM chooses processors, for this thread too.
  std::string folder = std::string(words[1]) + "/";
  Part manifest = json::Parse(Read(folder + "manifest.json")).cast<Part>();
  auto text = [&](const char* key) { return manifest[key].cast<std::string>(); };
  auto parts = [&](const char* key) { return manifest[key].cast<Array<Part>>(); };

  Module library = Module::LoadFromFile(folder + text("library"));
  Module machine = (*library->GetFunction("vm_load_executable"))().cast<Module>();
  const int pooled = 2;  // tvm::runtime::memory::AllocatorType::kPooled
  (*machine->GetFunction("vm_initialization"))(int{kDLCPU}, 0, pooled);

  std::vector<std::string> files(words + 2, words + count);
  if (files.size() < parts("inputs").size()) throw std::runtime_error("an input is missing");
  size_t file = 0;
  std::vector<Any> arguments;
  for (const Part& part : parts("inputs")) {
    Shape matrix{part["rows"].cast<int64_t>(), part["columns"].cast<int64_t>()};
    arguments.push_back(Load(part, matrix, Read(files[file++])));
  }
  std::string weights = Read(folder + text("weights"));
  for (const Part& part : parts("parameters")) {
    Shape shape(part["shape"].cast<Array<int64_t>>());
    arguments.push_back(Load(part, shape, weights, part["offset"].cast<size_t>()));
  }
  Any results;
  std::vector<AnyView> views(arguments.begin(), arguments.end());
  machine->GetFunction(text("entry")).value().CallPacked(views.data(), views.size(), &results);

  Array<Tensor> outputs = results.cast<Array<Tensor>>();
  for (size_t i = 0; i < outputs.size(); ++i) {
    PrintGreatest(parts("outputs")[i], outputs[i]);
    if (file == files.size()) continue;
    std::ofstream output(files[file++], std::ios::binary);
    output.write(static_cast<char*>(outputs[i].data_ptr()), GetDataSize(outputs[i]));
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
