package org.lexvla.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;

/**
 * Llama 2 (Touvron et al. 2023), the language backbone, optionally with LoRA. Computes what {@code LlamaForCausalLM} of
 * transformers 4.38.2 computes from its checkpoints: RMSNorm, half-split rotary positions, multi-head or grouped-query
 * attention, SwiGLU.
 *
 * <p>Every tensor returned belongs to the caller's {@code PointerScope}; the parameters live until {@link #close}.
 */
public final class Llama implements AutoCloseable {
    static final String INPUT = "model.embed_tokens.weight";
    static final String OUTPUT = "lm_head.weight";

    private final LlamaConfig config;
    private final Parameters parameters;
    private final RotaryTable rotary;
    private final Norm finalNorm;
    private final List<Block> blocks = new ArrayList<>();
    private final Recomputation recomputation = new Recomputation();
    private final Map<String, Tensor> unmerged = new LinkedHashMap<>();
    private Lora lora;
    private boolean checkpointing;
    private long attachments;

    private Llama(LlamaConfig config, Parameters parameters) {
        this.config = config;
        this.parameters = parameters;
        this.rotary = new RotaryTable(
                config.maxPositions(), config.headSize(), config.ropeTheta(), parameters.device(), parameters.type());
        this.finalNorm = new Norm("model.norm");
        for (int layer = 0; layer < config.layers(); layer++) {
            blocks.add(new Block(layer));
        }
    }

    /**
     * Loads a directory: {@code config.json} and safetensors in Hugging Face layout, in one file or in shards; or Meta's
     * {@code params.json} and {@code consolidated.safetensors} under Meta's names, with interleaved rotary positions.
     *
     * @param type element type to compute in; null takes that of the file
     * @throws IllegalArgumentException if tensors are missing, unknown, or of a shape that is not that of the configuration
     */
    public static Llama load(Path directory, Device device, ScalarType type) {
        return load(directory, device, type, UnknownTensors.REFUSE);
    }

    /** As {@link #load(Path, Device, ScalarType)}, with a choice about tensors the model has no place for. */
    public static Llama load(Path directory, Device device, ScalarType type, UnknownTensors unknown) {
        LlamaConfig config = LlamaConfig.load(directory);
        Parameters.Layout layout = layout(config, unknown);
        try (Safetensors file = LlamaMetaNames.open(directory)) {
            return new Llama(config, Parameters.load("Llama", view(file, config), layout, device, type));
        }
    }

    /**
     * The output matrix of a directory, as its file holds it, and nothing else: names and shapes of all tensors are checked, no other
     * is read. It is mapped; its pages are read when they are touched.
     */
    static Tensor outputMatrix(Path directory, UnknownTensors unknown) {
        LlamaConfig config = LlamaConfig.load(directory);
        try (Safetensors file = LlamaMetaNames.open(directory)) {
            CheckpointView view = view(file, config);
            Parameters.check("Llama", view, layout(config, unknown));
            return view.tensor(config.tied() ? INPUT : OUTPUT, Device.cpu());
        }
    }

    private static Parameters.Layout layout(LlamaConfig config, UnknownTensors unknown) {
        // Old checkpoints store the rotary frequencies; a tied one may store its output matrix all the same.
        return new Parameters.Layout(
                config.shapes(),
                Set.of(),
                name -> name.endsWith("rotary_emb.inv_freq")
                        || LlamaMetaNames.ignored(name)
                        || config.tied() && name.equals(OUTPUT),
                unknown);
    }

    private static CheckpointView view(Safetensors file, LlamaConfig config) {
        return LlamaMetaNames.usedIn(file)
                ? new CheckpointView(file, LlamaMetaNames.parts(config.shapes().keySet(), config))
                : new CheckpointView(file);
    }

    /** A new float32 model as Llama begins its training: normal weights of deviation 0.02. */
    public static Llama random(LlamaConfig config, long seed, Device device) {
        Parameters.Initialization initialization = (name, tensor, random) -> {
            if (name.endsWith("norm.weight")) {
                tensor.fill_(LibTorch.ONE);
            } else {
                tensor.normal_(0, 0.02, random);
            }
        };
        return new Llama(
                config, Parameters.random("Llama", config.shapes(), initialization, seed, device, ScalarType.Float));
    }

    /** The shape of the model. */
    public LlamaConfig config() {
        return config;
    }

    /** Where the model computes. */
    public Device device() {
        return parameters.device();
    }

    /** All parameters by their Hugging Face names, without those of LoRA. */
    public Map<String, Tensor> parameters() {
        return parameters.all();
    }

    /** The output matrix [vocabulary, d], {@code lm_head.weight}; the input matrix if the two are tied. */
    public Tensor outputMatrix() {
        return parameters.get(config.tied() ? INPUT : OUTPUT);
    }

    /** Whether backward passes give the parameters gradients; at first they do not. LoRA's are not concerned. */
    public void setTrainable(boolean trainable) {
        if (trainable) {
            requireUnmerged("train the matrices");
        }
        parameters.setTrainable(trainable);
    }

    /**
     * Whether passes with a graph keep only the input of each block and compute its inside again in the backward pass: the same
     * gradients with less memory, for one more forward pass. At first not.
     */
    public void setCheckpointing(boolean checkpointing) {
        this.checkpointing = checkpointing;
    }

    /**
     * Adds low-rank updates to the projections of every following pass; null takes them away again. The model does not
     * own them: whoever made them closes them, after the last pass.
     *
     * @throws IllegalArgumentException if they were made for another shape or lie on another device
     */
    public void attach(Lora updates) {
        requireUnmerged("attach another LoRA");
        attachments++;
        if (updates != null) {
            updates.requireFits(config, device());
        }
        lora = updates;
        for (Block block : blocks) {
            block.attach(updates);
        }
    }

    /** The attached LoRA, or null. */
    public Lora lora() {
        return lora;
    }

    /**
     * Puts W + (α/r) B A in the place of each matrix that LoRA updates, rounded once to the type of the model, so that a pass
     * takes no longer than without LoRA; LoRA then gets no gradients. The matrices take memory a second time until
     * {@link #unmerge}, which puts back those that were there before, to the bit.
     *
     * @throws IllegalStateException if no LoRA is attached, or it is merged already
     */
    public void merge() {
        if (lora == null) {
            throw new IllegalStateException("no LoRA is attached that could be merged: attach one first");
        }
        requireUnmerged("merge");
        attachments++;
        blocks.forEach(Block::merge);
    }

    /** Undoes {@link #merge}: the matrices are again what they were, and LoRA is computed beside them. */
    public void unmerge() {
        attachments++;
        unmerged.forEach((name, weight) -> {
            parameters.replace(name, weight).close();
            weight.close();
        });
        unmerged.clear();
        blocks.forEach(block -> block.attach(lora));
    }

    /** Whether LoRA is merged into the matrices. */
    public boolean merged() {
        return !unmerged.isEmpty();
    }

    private void requireUnmerged(String what) {
        if (merged()) {
            throw new IllegalStateException("LoRA is merged into the matrices of the model: unmerge it, then " + what);
        }
    }

    /**
     * Writes {@code config.json} and {@code model.safetensors}, which transformers loads as well. LoRA is part of it only if it is
     * merged.
     */
    public void save(Path directory) {
        Map<String, Tensor> tensors = parameters.all();
        config.save(directory, parameters.type());
        Safetensors.write(directory.resolve(Safetensors.SINGLE), tensors, Map.of("format", "pt"));
    }

    /**
     * Hidden states after the final RMSNorm.
     *
     * @param ids [B,T] int64, token ids
     * @param attentionMask [B,T], nonzero for real tokens, padding on the left or on the right; null if all are real
     * @return [B,T,d]; rows of padding hold finite numbers without meaning
     */
    public Tensor forward(Tensor ids, Tensor attentionMask) {
        return run(ids, attentionMask, null);
    }

    /**
     * The embeddings, then the hidden states after every block, the last one after the final RMSNorm as in transformers:
     * layers + 1 tensors [B,T,d]. Arguments as for {@link #forward}.
     */
    public List<Tensor> hiddenStates(Tensor ids, Tensor attentionMask) {
        List<Tensor> states = new ArrayList<>();
        Tensor hidden = run(ids, attentionMask, states);
        states.set(states.size() - 1, hidden);
        return states;
    }

    /** As {@link #hiddenStates}, the last one before the final RMSNorm. */
    List<Tensor> blockOutputs(Tensor ids, Tensor attentionMask) {
        List<Tensor> states = new ArrayList<>();
        run(ids, attentionMask, states);
        return states;
    }

    /** Next-token scores [B,T,vocabulary] of hidden states [B,T,d] that have gone through the final RMSNorm. */
    public Tensor logits(Tensor hidden) {
        return torch.linear(hidden, outputMatrix());
    }

    private Tensor run(Tensor ids, Tensor attentionMask, List<Tensor> states) {
        requireKnown(ids);
        int batch = Math.toIntExact(ids.size(0));
        int tokens = Math.toIntExact(ids.size(1));
        if (attentionMask != null) {
            LibTorch.requireShape(
                    "attention mask", attentionMask, Arrays.toString(new int[] {batch, tokens}), batch, tokens);
        }
        requireWithinContext(tokens);
        LlamaPadding padding = new LlamaPadding(attentionMask, batch, tokens);
        Pass pass = padding.rightOnly()
                ? new Pass(batch, tokens, rotary.range(0, tokens), new TensorOptional(), true, Recall.NOTHING)
                : new Pass(
                        batch,
                        tokens,
                        rotary.at(padding.positions(), batch, tokens, device()),
                        new TensorOptional(padding.visible(device())),
                        false,
                        Recall.NOTHING);
        return finished(through(ids, pass, states), pass);
    }

    /**
     * Keys and values of a beginning, for {@link #forward(Tensor, LlamaPrefix, int)}; the caller closes them. They are those of
     * the weights and of LoRA at this moment, see {@link #changes}.
     */
    LlamaPrefix prefix(int[] beginning) {
        LlamaPrefix made = new LlamaPrefix(beginning);
        long[] ids = Arrays.stream(beginning).asLongStream().toArray();
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard();
        try {
            Tensor row = LibTorch.of(ids, 1, ids.length).to(LibTorch.device(device()), ScalarType.Long);
            requireKnown(row);
            requireWithinContext(ids.length);
            Recall recall = new Recall(null, 0, made);
            through(
                    row,
                    new Pass(1, ids.length, rotary.range(0, ids.length), new TensorOptional(), true, recall),
                    null);
            return made;
        } catch (RuntimeException e) {
            made.close();
            throw e;
        } finally {
            guard.close();
            scope.close();
        }
    }

    /**
     * Hidden states after the final RMSNorm of sequences that go on after a beginning.
     *
     * @param ids    [B,T] int64, the tokens after the beginning, padded on the right
     * @param before the beginning
     * @param length how many of its ids come before every row of {@code ids}, 1 or more
     * @return [B,T,d]; rows of padding hold finite numbers without meaning
     */
    Tensor forward(Tensor ids, LlamaPrefix before, int length) {
        requireKnown(ids);
        int batch = Math.toIntExact(ids.size(0));
        int tokens = Math.toIntExact(ids.size(1));
        requireWithinContext(length + tokens);
        // A token sees the beginning, and of the others those up to itself.
        Tensor visible = torch.ones(new long[] {tokens, length + tokens}, LibTorch.options(ScalarType.Bool, device()))
                .tril(length);
        Pass pass = new Pass(
                batch,
                tokens,
                rotary.range(length, tokens),
                new TensorOptional(visible),
                false,
                new Recall(before, length, null));
        return finished(through(ids, pass, null), pass);
    }

    /** Grows whenever weights or LoRA become others, by training, attaching or merging. */
    long changes() {
        return parameters.changes() + (lora == null ? 0 : lora.changes()) + attachments;
    }

    /** Whether two passes over the same input may differ: LoRA drops inputs at random. */
    boolean drawsRandomNumbers() {
        return lora != null && !merged() && lora.drops();
    }

    /** Embeddings and blocks: [batch · tokens, d], before the final norm. */
    private Tensor through(Tensor ids, Pass pass, List<Tensor> states) {
        // Two dimensions throughout: every projection is one plain matrix product.
        Tensor x = torch.embedding(parameters.get(INPUT), ids).view(pass.batch * pass.tokens, config.hiddenSize());
        if (states == null && checkpointing && GradMode.is_enabled() && (x.requires_grad() || trains())) {
            List<UnaryOperator<Tensor>> stack = new ArrayList<>();
            blocks.forEach(block -> stack.add(y -> block.forward(y, pass)));
            return recomputation.run(x, stack, drawsRandomNumbers(), device(), pass.pointers());
        }
        for (Block block : blocks) {
            if (states != null) {
                states.add(x.view(pass.batch, pass.tokens, config.hiddenSize()));
            }
            Tensor before = x;
            x = LibTorch.scoped(() -> block.forward(before, pass));
        }
        if (states != null) {
            states.add(x.view(pass.batch, pass.tokens, config.hiddenSize()));
        }
        return x;
    }

    private boolean trains() {
        return parameters.trainable() || lora != null && lora.trainable();
    }

    private Tensor finished(Tensor x, Pass pass) {
        return finalNorm.forward(x).view(pass.batch, pass.tokens, config.hiddenSize());
    }

    private void requireWithinContext(int tokens) {
        if (tokens > config.maxPositions()) {
            throw new IllegalArgumentException("sequences of " + tokens + " tokens, the context is "
                    + config.maxPositions() + ": shorten the prompt or the caption");
        }
    }

    /** An id beyond the table would abort a CUDA context for good, so it is looked at first. */
    private void requireKnown(Tensor ids) {
        parameters.requireOpen();
        LibTorch.requireDevice("batch of token ids", ids, device());
        LibTorch.requireShape("batch of token ids", ids, "[batch, tokens]", -1, -1);
        if (ids.scalar_type().intern() != ScalarType.Long) {
            throw new IllegalArgumentException("token ids have type " + ids.scalar_type() + ", expected Long (int64)");
        }
        if (ids.numel() == 0) {
            throw new IllegalArgumentException("a batch of token ids without a token: leave it out");
        }
        long least = ids.min().item_long();
        long greatest = ids.max().item_long();
        if (least < 0 || greatest >= config.vocabularySize()) {
            throw new IllegalArgumentException(
                    "token id " + (least < 0 ? least : greatest) + " is not one of the model's "
                            + config.vocabularySize() + ": the tokenizer belongs to another model");
        }
    }

    /** Frees the parameters. */
    @Override
    public void close() {
        recomputation.close();
        unmerged.values().forEach(Tensor::close);
        unmerged.clear();
        parameters.close();
        rotary.close();
        blocks.forEach(Block::close);
        finalNorm.close();
    }

    /** What all blocks share in one pass. */
    private record Pass(
            long batch, long tokens, RotaryTable.Turns turns, TensorOptional visible, boolean causal, Recall recall) {
        List<Pointer> pointers() {
            return List.of(turns.cos(), turns.sin(), visible);
        }
    }

    /**
     * Keys and values that outlast a pass.
     *
     * @param before those of the tokens before; null if there are none
     * @param length how many of these
     * @param made   where those of this pass go; null if they are not kept
     */
    private record Recall(LlamaPrefix before, int length, LlamaPrefix made) {
        static final Recall NOTHING = new Recall(null, 0, null);
    }

    /** Computed in float32, scaled by the weight in the type of the model. */
    private final class Norm implements AutoCloseable {
        private final Tensor weight;
        private final TensorOptional wrapped;
        private final long[] shape = {config.hiddenSize()};
        private final DoubleOptional eps = LibTorch.keep(new DoubleOptional(config.rmsNormEps()));
        private final TensorOptional none = LibTorch.keep(new TensorOptional());

        Norm(String name) {
            weight = parameters.get(name + ".weight");
            wrapped = parameters.wrap(weight);
        }

        Tensor forward(Tensor x) {
            if (parameters.type() == ScalarType.Float) {
                return torch.rms_norm(x, shape, wrapped, eps);
            }
            Tensor unit = torch.rms_norm(x.to(ScalarType.Float), shape, none, eps);
            return unit.to(parameters.type()).mul(weight);
        }

        @Override
        public void close() {
            eps.close();
            none.close();
        }
    }

    /** One of the seven matrices, with its update if there is one. */
    private final class Projection {
        private final String name;
        private Tensor weight;
        private Lora.Update update;

        Projection(String name) {
            this.name = name + ".weight";
            weight = parameters.get(this.name);
        }

        void attach(Lora.Update other) {
            weight = parameters.get(name);
            update = other;
        }

        void merge() {
            if (update != null) {
                unmerged.put(name, parameters.replace(name, update.mergedInto(weight)));
                attach(null);
            }
        }

        Tensor forward(Tensor x) {
            Tensor y = torch.linear(x, weight);
            return update == null ? y : update.addTo(y, x);
        }
    }

    /** x += attention(norm x); x += mlp(norm x), on [batch · tokens, d]. */
    private final class Block implements AutoCloseable {
        private final int layer;
        private final Norm attentionNorm;
        private final Norm mlpNorm;
        private final Map<LlamaProjection, Projection> projections = new EnumMap<>(LlamaProjection.class);
        private final DoubleOptional defaultScale = LibTorch.keep(new DoubleOptional());

        Block(int layer) {
            this.layer = layer;
            String prefix = "model.layers." + layer + ".";
            attentionNorm = new Norm(prefix + "input_layernorm");
            mlpNorm = new Norm(prefix + "post_attention_layernorm");
            for (LlamaProjection projection : LlamaProjection.values()) {
                projections.put(projection, new Projection(prefix + projection.path()));
            }
        }

        void attach(Lora updates) {
            projections.forEach(
                    (projection, matrix) -> matrix.attach(updates == null ? null : updates.update(layer, projection)));
        }

        void merge() {
            projections.values().forEach(Projection::merge);
        }

        Tensor forward(Tensor x, Pass pass) {
            Tensor y = x.add(attention(attentionNorm.forward(x), pass));
            return y.add(mlp(mlpNorm.forward(y)));
        }

        private Tensor attention(Tensor x, Pass pass) {
            Tensor query = pass.turns.apply(heads(LlamaProjection.Q_PROJ, x, pass, config.heads()));
            Tensor key = pass.turns.apply(heads(LlamaProjection.K_PROJ, x, pass, config.keyValueHeads()));
            Tensor value = heads(LlamaProjection.V_PROJ, x, pass, config.keyValueHeads());
            Recall recall = pass.recall;
            if (recall.made != null) {
                recall.made.add(key, value);
            }
            if (recall.before != null) {
                key = torch.cat(new TensorVector(recall.before.keys(layer, pass.batch, recall.length), key), 1);
                value = torch.cat(new TensorVector(recall.before.values(layer, pass.batch, recall.length), value), 1);
            }
            Tensor mixed = Attention.of(
                    query.transpose(1, 2),
                    grouped(key, pass).transpose(1, 2),
                    grouped(value, pass).transpose(1, 2),
                    pass.visible,
                    pass.causal,
                    defaultScale);
            Tensor flat = mixed.transpose(1, 2).reshape(pass.batch * pass.tokens, config.hiddenSize());
            return projections.get(LlamaProjection.O_PROJ).forward(flat);
        }

        private Tensor heads(LlamaProjection projection, Tensor x, Pass pass, int heads) {
            return projections.get(projection).forward(x).view(pass.batch, pass.tokens, heads, config.headSize());
        }

        /** Every key/value head serves {@code heads / keyValueHeads} query heads in a row. */
        private Tensor grouped(Tensor x, Pass pass) {
            int group = config.heads() / config.keyValueHeads();
            if (group == 1) {
                return x;
            }
            return x.unsqueeze(3)
                    .expand(pass.batch, x.size(1), config.keyValueHeads(), group, config.headSize())
                    .reshape(pass.batch, x.size(1), config.heads(), config.headSize());
        }

        private Tensor mlp(Tensor x) {
            Tensor gate = projections.get(LlamaProjection.GATE_PROJ).forward(x);
            Tensor up = projections.get(LlamaProjection.UP_PROJ).forward(x);
            return projections
                    .get(LlamaProjection.DOWN_PROJ)
                    .forward(torch.silu(gate).mul(up));
        }

        @Override
        public void close() {
            attentionNorm.close();
            mlpNorm.close();
            defaultScale.close();
        }
    }
}
