//! mistral.rs as a program without Descant would drive it: what the engine is compared with.

use mistralrs::core::{
    AdapterPaths, DefaultSchedulerMethod, DeviceMapMetadata, IsqOrganization, LocalModelPaths,
    MistralRsBuilder, ModelPaths, NormalLoaderBuilder, NormalSpecificConfig, Response,
    SchedulerConfig,
};
use mistralrs::{
    Constraint, CustomLogitsProcessor, Device, DeviceMapSetting, MistralRs, ModelDType,
    NormalRequest, Request, RequestMessage, SamplingParams, StopTokens, Tensor,
};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{Receiver, channel};

pub struct Bare {
    model: Arc<MistralRs>,
}

impl Bare {
    pub async fn load(folder: &Path, prefix_cache: bool) -> Self {
        let loader = NormalLoaderBuilder::new(
            NormalSpecificConfig {
                topology: None,
                organization: IsqOrganization::Default,
                write_uqff: None,
                from_uqff: None,
                imatrix: None,
                calibration_file: None,
                hf_cache_path: None,
                matformer_config_path: None,
                matformer_slice_name: None,
            },
            None,
            None,
            Some("bare".into()),
            false,
            None,
        )
        .build(None)
        .unwrap();
        let paths: Box<dyn ModelPaths> = Box::new(LocalModelPaths::<PathBuf> {
            tokenizer_filename: folder.join("tokenizer.json"),
            config_filename: folder.join("config.json"),
            template_filename: None,
            filenames: vec![folder.join("model.safetensors")],
            adapter_paths: AdapterPaths::None,
            gen_conf: None,
            preprocessor_config: None,
            processor_config: None,
            chat_template_json_filename: None,
        });
        let mapping = DeviceMapSetting::Map(DeviceMapMetadata::dummy());
        let pipeline = loader
            .load_model_from_path(
                &paths,
                &ModelDType::F32,
                &Device::Cpu,
                true,
                mapping,
                None,
                None,
            )
            .unwrap();
        let method = DefaultSchedulerMethod::Fixed(NonZeroUsize::MIN);
        let scheduler = SchedulerConfig::DefaultScheduler { method };
        let model = MistralRsBuilder::new(pipeline, scheduler, false, None)
            .with_no_prefix_cache(!prefix_cache)
            .build()
            .await;
        Bare { model }
    }

    /// Greedy streaming, one chunk a token, the channel closing behind the last.
    pub async fn stream(
        &self,
        prompt: Vec<u32>,
        max_len: usize,
        stop: Vec<u32>,
        processor: Option<Arc<dyn CustomLogitsProcessor>>,
    ) -> Receiver<Response> {
        let (sender, receiver) = channel(256);
        let request = NormalRequest {
            id: 1,
            messages: RequestMessage::CompletionTokens(prompt),
            sampling_params: SamplingParams {
                temperature: Some(0.0),
                max_len: Some(max_len),
                stop_toks: Some(StopTokens::Ids(stop)),
                ..SamplingParams::neutral()
            },
            response: sender,
            return_logprobs: false,
            is_streaming: true,
            constraint: Constraint::None,
            suffix: None,
            tools: None,
            tool_choice: None,
            logits_processors: processor.map(|p| vec![p]),
            return_raw_logits: false,
            web_search_options: None,
            model_id: None,
            truncate_sequence: false,
        };
        self.model
            .get_sender(None)
            .unwrap()
            .send(Request::Normal(Box::new(request)))
            .await
            .unwrap();
        receiver
    }

    /// The ids mistral.rs itself chooses, by looking over its shoulder.
    #[allow(dead_code)]
    pub async fn greedy_ids(&self, prompt: Vec<u32>, max_len: usize) -> Vec<u32> {
        let seen: Arc<Mutex<Vec<u32>>> = Arc::default();
        let record = seen.clone();
        let look = move |logits: &Tensor, _context: &[u32]| {
            let values: Vec<f32> = logits.to_vec1()?;
            let best = values
                .iter()
                .enumerate()
                .max_by(|a, b| a.1.total_cmp(b.1))
                .unwrap()
                .0;
            record.lock().unwrap().push(u32::try_from(best).unwrap());
            Ok(logits.clone())
        };
        let mut responses = self
            .stream(prompt, max_len, vec![7], Some(Arc::new(look)))
            .await;
        while let Some(response) = responses.recv().await {
            assert!(
                matches!(response, Response::CompletionChunk(_)),
                "mistral.rs reported an error"
            );
        }
        seen.lock().unwrap().clone()
    }
}
